//! The Hugging Face cache: `models--OWNER--REPO/snapshots/COMMIT/FILE`, links to `blobs/HASH`, with
//! the newest commit in `refs/main`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo};

use super::shelf::{Origin, Shelf, is_beside, plain_name, set};
use crate::model::source::files::{folders, gguf_files, is_whole};
use crate::model::source::known::KNOWN;

/// Folders within a snapshot, one in the other.
const DEPTH: usize = 3;

/// Where its own tools would look for it.
pub fn cache() -> Option<PathBuf> {
    if let Some(path) = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")) {
        return Some(path);
    }
    Some(home()?.join("hub"))
}

/// The folder of Hugging Face's tools.
pub fn home() -> Option<PathBuf> {
    if let Some(home) = set("HF_HOME") {
        return Some(home);
    }
    if let Some(cache) = set("XDG_CACHE_HOME") {
        return Some(cache.join("huggingface"));
    }
    let base = directories::BaseDirs::new()?;
    Some(base.home_dir().join(".cache").join("huggingface"))
}

pub(super) fn list(cache: Option<&Path>, shelf: &mut Shelf) {
    for folder in cache.into_iter().flat_map(folders) {
        let repo = plain_name(&folder)
            .and_then(|name| name.strip_prefix("models--"))
            .and_then(|name| name.split_once("--"));
        let Some((owner, repo)) = repo else {
            continue;
        };
        for snapshot in newest_first(&folder) {
            for path in below(&snapshot) {
                let file = path.strip_prefix(&snapshot).ok();
                let Some(file) = file.and_then(Path::to_str).filter(|_| !is_beside(&path)) else {
                    continue;
                };
                let repo = format!("{owner}/{repo}");
                let file = file.replace('\\', "/");
                let known = KNOWN.iter().find(|k| k.repo == repo && k.file == file);
                if known.is_some_and(|known| !known.has_size(&path)) {
                    continue;
                }
                let name = known.map(|known| known.name.to_owned());
                let name = name.unwrap_or_else(|| format!("{repo}:{file}"));
                // Of a file in two snapshots the newer one.
                shelf.add(Origin::HuggingFace, name, path);
            }
        }
    }
}

/// A file of a repository: of the current revision, or else of any.
pub(super) fn file(cache: &Path, repo: &str, file: &str) -> Option<PathBuf> {
    let of_snapshot = |snapshot: PathBuf| snapshot.join(file);
    let paths = snapshots(cache, repo).into_iter().map(of_snapshot);
    paths.into_iter().find(|path| is_whole(path))
}

/// The folders of a repository's revisions, the current one first.
pub fn snapshots(cache: &Path, repo: &str) -> Vec<PathBuf> {
    newest_first(&folder(cache, repo))
}

fn newest_first(repo: &Path) -> Vec<PathBuf> {
    let main = short_text(&repo.join("refs").join("main")).unwrap_or_default();
    let mut all = folders(&repo.join("snapshots"));
    all.sort_by_key(|snapshot| plain_name(snapshot) != Some(main.trim()));
    all
}

/// The beginning of a small file; nothing of what does not end.
fn short_text(path: &Path) -> Option<String> {
    let is_file = std::fs::metadata(path).ok()?.is_file();
    let file = is_file.then(|| std::fs::File::open(path).ok())??;
    let mut text = String::new();
    file.take(128).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Models of a snapshot, also in folders within; never through a link to a folder.
pub fn below(snapshot: &Path) -> Vec<PathBuf> {
    fn at(folder: &Path, depth: usize) -> Vec<PathBuf> {
        let mut all = gguf_files(folder);
        if depth > 0 {
            all.extend(
                folders(folder)
                    .iter()
                    .filter(|f| std::fs::symlink_metadata(f).is_ok_and(|f| f.is_dir()))
                    .flat_map(|inner| at(inner, depth - 1)),
            );
        }
        all
    }
    at(snapshot, DEPTH)
}

/// A repository's folder.
pub fn folder(cache: &Path, repo: &str) -> PathBuf {
    cache.join(Repo::model(repo.to_owned()).folder_name())
}

/// The token that Hugging Face's tools have stored.
pub fn token() -> Option<String> {
    let beside = cache().and_then(|cache| Cache::new(cache).token());
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    set("HF_TOKEN_PATH")
        .and_then(read)
        .or_else(|| home().and_then(|home| read(home.join("token"))))
        .or(beside)
}

/// Where a fetched file is in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    repo: PathBuf,
    commit: String,
    hash: String,
    file: String,
}

impl Slot {
    /// The place of `file`; `None` where what the Hub says of it is no commit or no hash.
    pub fn new(cache: &Path, repo: &str, commit: &str, hash: &str, file: &str) -> Option<Slot> {
        let hex =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
        (hex(commit, 40) && hex(hash, 64)).then(|| Slot {
            repo: folder(cache, repo),
            commit: commit.to_ascii_lowercase(),
            hash: hash.to_ascii_lowercase(),
            file: file.to_owned(),
        })
    }

    /// Moves a file there that has been checked: the bytes into `blobs`, a link to them into the
    /// commit's snapshot, the commit into `refs`. Where links cannot be made, the file itself.
    ///
    /// # Errors
    /// What the disk says; also where a folder of the cache is a link, through which nothing is
    /// written.
    pub fn take(&self, from: &Path) -> io::Result<PathBuf> {
        let snapshot = self.repo.join("snapshots").join(&self.commit);
        let target = snapshot.join(&self.file);
        let blobs = self.repo.join("blobs");
        let mut made = vec![blobs.clone(), self.repo.join("refs")];
        let within = target.ancestors().skip(1);
        let within = within.take_while(|p| p.starts_with(&self.repo));
        made.extend(within.map(Path::to_path_buf));
        made.reverse();
        made.iter().try_for_each(|folder| own_folder(folder))?;
        // Takes the place of a link, and does not follow it.
        let blob = blobs.join(&self.hash);
        std::fs::rename(from, &blob)?;
        if std::fs::symlink_metadata(&target).is_ok() {
            std::fs::remove_file(&target)?;
        }
        let up = self.file.matches('/').count() + 2;
        let link = Path::new(&"../".repeat(up)).join("blobs").join(&self.hash);
        if link_to(&link, &target).is_err() {
            std::fs::rename(&blob, &target)?;
        }
        let main = self.repo.join("refs").join("main");
        let fresh = main.with_extension("new");
        let _ = std::fs::remove_file(&fresh);
        crate::disk::write_new(&fresh, self.commit.as_bytes())?;
        std::fs::rename(&fresh, &main)?;
        Ok(target)
    }
}

#[cfg(unix)]
fn link_to(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn link_to(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes `folder`, or sees that it is one and no link to one.
pub fn own_folder(folder: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Ok(data) if data.is_dir() => Ok(()),
        Ok(data) if data.is_symlink() => {
            let text = "it is a link, and nothing is written through one";
            Err(io::Error::other(text))
        }
        _ => std::fs::create_dir_all(folder),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_fetched_file_lies_as_other_tools_have_it() {
        let place = tempfile::tempdir().unwrap();
        let (cache, part) = (place.path().join("hub"), place.path().join("part"));
        let (commit, hash) = ("c".repeat(40), "ab".repeat(32));
        let slot = |file| Slot::new(&cache, "nobody/tiny", &commit, &hash, file);
        for name in ["tiny.gguf", "Q4/b c.gguf"] {
            std::fs::write(&part, name).unwrap();
            let path = slot(name).unwrap().take(&part).unwrap();
            let repo = cache.join("models--nobody--tiny");
            assert_eq!(path, repo.join("snapshots").join(&commit).join(name));
            assert_eq!(std::fs::read(&path).unwrap(), name.as_bytes());
            assert!(path.is_symlink() && !part.exists());
            let blob = repo.join("blobs").join(&hash);
            assert_eq!(path.canonicalize().unwrap(), blob.canonicalize().unwrap());
            let main = std::fs::read_to_string(repo.join("refs/main")).unwrap();
            assert_eq!(main, commit);
            // What the library of the Hub looks for is found.
            let library = Cache::new(cache.clone()).repo(Repo::model("nobody/tiny".into()));
            assert_eq!(library.get(name).unwrap(), path);
        }
        assert_eq!(Slot::new(&cache, "a/b", "../../../x", &hash, "a"), None);
        assert_eq!(Slot::new(&cache, "a/b", &commit, "../x", "a"), None);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let place = tempfile::tempdir().unwrap();
        let (cache, part) = (place.path().join("hub"), place.path().join("part"));
        let (commit, hash) = ("c".repeat(40), "ab".repeat(32));
        let slot = Slot::new(&cache, "nobody/tiny", &commit, &hash, "a.gguf").unwrap();
        let victim = place.path().join("victim");
        std::fs::create_dir_all(&victim).unwrap();
        for folder in ["blobs", "refs", "snapshots"] {
            std::fs::write(&part, "new").unwrap();
            let planted = folder_in(&cache, folder);
            let _ = std::fs::remove_dir_all(&cache);
            std::fs::create_dir_all(planted.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&victim, &planted).unwrap();
            assert!(slot.take(&part).is_err(), "{folder}");
            assert!(part.exists() && std::fs::read_dir(&victim).unwrap().count() == 0);
            std::fs::remove_file(&planted).unwrap();
        }
        // A link in the place of the file, of the blob.
        let precious = victim.join("precious");
        std::fs::write(&precious, "mine").unwrap();
        for file in [
            format!("blobs/{hash}"),
            format!("snapshots/{commit}/a.gguf"),
            "refs/main".into(),
        ] {
            std::fs::write(&part, "new").unwrap();
            let planted = folder_in(&cache, &file);
            std::fs::create_dir_all(planted.parent().unwrap()).unwrap();
            let _ = std::fs::remove_file(&planted);
            std::os::unix::fs::symlink(&precious, &planted).unwrap();
            let path = slot.take(&part).unwrap();
            assert_eq!(std::fs::read(path).unwrap(), b"new");
            assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
        }
    }

    fn folder_in(cache: &Path, what: &str) -> PathBuf {
        folder(cache, "nobody/tiny").join(what)
    }
}
