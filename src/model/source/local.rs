//! Model files that are already on this machine.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo};

use super::known::{self, Known, Pin};
use super::{ModelSpec, SourceError};
use crate::dirs::Dirs;
use crate::model::gguf::split::{self, PartName};

/// A model file on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedModel {
    pub path: PathBuf,
    /// Short name for people.
    pub name: String,
}

/// The file that `spec` means, where it is here.
pub fn find(spec: &ModelSpec, dirs: &Dirs) -> Result<Option<ResolvedModel>, SourceError> {
    match spec {
        ModelSpec::Path(path) => at_path(path).map(Some),
        ModelSpec::Known(known) => Ok(known_file(known, dirs).map(|path| ResolvedModel {
            path,
            name: known.title.to_string(),
        })),
        ModelSpec::Hub { repo, file } => {
            let path = match file {
                Some(file) => hub_file(repo, file, dirs),
                None => any_of_repo(repo, dirs),
            };
            Ok(path.map(named))
        }
        ModelSpec::Local(name) => match in_folder(name, dirs) {
            Some(path) => at_path(&path).map(Some),
            None => Err(SourceError::Unknown(unknown_name(name, dirs))),
        },
    }
}

/// Checks that `path` is a GGUF file by its first four bytes; a folder with one such file stands
/// for that file.
fn at_path(path: &Path) -> Result<ResolvedModel, SourceError> {
    let unreadable = |source| SourceError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let kind = match std::fs::metadata(path) {
        Ok(kind) => kind,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SourceError::NoFile(path.to_path_buf()));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if kind.is_dir() {
        let files = gguf_files(path);
        return match files.as_slice() {
            [file] => at_path(file),
            _ => Err(SourceError::Folder {
                path: path.to_path_buf(),
                count: files.len(),
            }),
        };
    }
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut magic))
        .map_err(unreadable)?;
    if magic != b"GGUF" {
        let found = match magic.len() {
            0 => "nothing (it is empty)".to_string(),
            _ => format!("`{}`", magic.escape_ascii()),
        };
        return Err(SourceError::NotGguf {
            path: path.to_path_buf(),
            found,
        });
    }
    Ok(named(path.to_path_buf()))
}

/// A file called after its stem; one of several parts, after what they have in common.
pub fn named(path: PathBuf) -> ResolvedModel {
    let stem = || path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = PartName::of_path(&path).map(|part| part.stem).or_else(stem);
    ResolvedModel {
        name: name.unwrap_or_else(|| path.display().to_string()),
        path,
    }
}

/// Bytes of the model at `path`, of all its parts.
pub fn size(path: &Path) -> u64 {
    let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
    split::paths(path).iter().map(len).sum()
}

/// Whether the model's file is there, and its other parts where it is one of several.
fn is_whole(path: &Path) -> bool {
    split::paths(path).iter().all(|path| path.is_file())
}

/// A known model's file in the app's folder or the Hugging Face cache. A pinned one must have
/// its size: a shorter file is an interrupted copy. (Its hash was checked when it was fetched.)
pub fn known_file(known: &Known, dirs: &Dirs) -> Option<PathBuf> {
    let ours = dirs.models.join(known.file);
    [Some(ours), cached(known.repo, known.file)]
        .into_iter()
        .flatten()
        .find(|path| has_size(path, known.pin))
}

fn has_size(path: &Path, pin: Option<Pin>) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && pin.is_none_or(|pin| pin.bytes == data.len()))
}

/// A Hub file that was fetched before.
pub fn hub_file(repo: &str, file: &str, dirs: &Dirs) -> Option<PathBuf> {
    if let Some(known) = known::KNOWN
        .iter()
        .find(|known| known.repo == repo && known.file == file)
    {
        return known_file(known, dirs);
    }
    let ours = fetched_path(repo, file, dirs);
    [Some(ours), cached(repo, file)]
        .into_iter()
        .flatten()
        .find(|path| is_whole(path))
}

/// Where a file fetched from the Hub is kept: known models by their file name, others in a
/// folder of their repository, so that equal names of two repositories stay apart.
pub fn fetched_path(repo: &str, file: &str, dirs: &Dirs) -> PathBuf {
    let known = known::KNOWN
        .iter()
        .any(|known| known.repo == repo && known.file == file);
    let base = Path::new(file).file_name().unwrap_or(file.as_ref());
    if known {
        dirs.models.join(base)
    } else {
        dirs.models.join(repo.replace('/', "--")).join(base)
    }
}

/// Where a person puts the file so that it is found: as [`fetched_path`], and where only the
/// repository is known, any GGUF file in its folder.
pub fn place_for(repo: &str, file: &str, dirs: &Dirs) -> PathBuf {
    let path = fetched_path(repo, file, dirs);
    match file == repo {
        true => path.with_added_extension("gguf"),
        false => path,
    }
}

/// The repository's best file among those that are here.
fn any_of_repo(repo: &str, dirs: &Dirs) -> Option<PathBuf> {
    let known = known::KNOWN
        .iter()
        .filter(|known| known.repo == repo)
        .find_map(|known| known_file(known, dirs));
    let mut files = gguf_files(&dirs.models.join(repo.replace('/', "--")));
    for snapshot in snapshots(repo) {
        files.extend(gguf_files(&snapshot));
    }
    files.retain(|path| is_whole(path));
    let all = files.iter().flat_map(|path| split::paths(path));
    let names: Vec<String> = all
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    known.or_else(|| best(&names).map(|index| PathBuf::from(&names[index])))
}

/// Which of a repository's files to take when none is named: a middle quantisation first.
pub fn best(names: &[String]) -> Option<usize> {
    const ORDER: [&str; 9] = [
        "q4_k_m", "q4_1", "q4_0", "q4_k_s", "q5_k_m", "q8_0", "q6_k", "f16", "",
    ];
    let all: HashSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    // A model in one file, or the first of parts that are all there.
    let begins = |name: &str| match PartName::of(name) {
        Some(part) => part.no == 1 && part.all().iter().all(|name| all.contains(name)),
        None => true,
    };
    ORDER.iter().find_map(|kind| {
        names.iter().position(|name| {
            let name = name.to_ascii_lowercase();
            name.ends_with(".gguf") && name.contains(kind) && begins(&name)
        })
    })
}

/// `NAME` or `NAME.gguf` in the app's model folder.
fn in_folder(name: &str, dirs: &Dirs) -> Option<PathBuf> {
    let exact = dirs.models.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    let called = |path: &PathBuf| named(path.clone()).name.eq_ignore_ascii_case(name);
    gguf_files(&dirs.models).into_iter().find(called)
}

fn unknown_name(name: &str, dirs: &Dirs) -> String {
    let near = known::KNOWN
        .iter()
        .map(|known| {
            (
                strsim::jaro_winkler(&name.to_ascii_lowercase(), known.name),
                known.name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let guess = near.map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"));
    format!(
        "there is no model `{name}`{guess}\nIt is no file here, none in {}, and no known name. \
         `cachat models` lists what there is.",
        dirs.models.display()
    )
}

/// The GGUF files directly in a folder, by name; of models in parts, the first ones.
pub fn gguf_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ext| ext.eq_ignore_ascii_case("gguf"))
                && path.is_file()
        })
        .collect();
    files.sort();
    let first = |path: &PathBuf| split::paths(path).swap_remove(0);
    let all: HashSet<PathBuf> = files.iter().cloned().collect();
    files.retain(|path| first(path) == *path || !all.contains(&first(path)));
    files
}

/// The Hugging Face cache, where its own tools would look for it.
pub fn hub_cache() -> Option<PathBuf> {
    let env = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = env("HF_HUB_CACHE").or_else(|| env("HUGGINGFACE_HUB_CACHE")) {
        return Some(path.into());
    }
    if let Some(home) = env("HF_HOME") {
        return Some(Path::new(&home).join("hub"));
    }
    if let Some(cache) = env("XDG_CACHE_HOME") {
        return Some(Path::new(&cache).join("huggingface").join("hub"));
    }
    let base = directories::BaseDirs::new()?;
    Some(
        base.home_dir()
            .join(".cache")
            .join("huggingface")
            .join("hub"),
    )
}

/// A file in the Hugging Face cache: of the current revision, or else of any.
fn cached(repo: &str, file: &str) -> Option<PathBuf> {
    let current = Cache::new(hub_cache()?)
        .repo(Repo::model(repo.to_string()))
        .get(file);
    current.or_else(|| {
        snapshots(repo)
            .into_iter()
            .map(|snapshot| snapshot.join(file))
            .find(|path| path.is_file())
    })
}

/// The folders of a repository's revisions in the Hugging Face cache.
pub fn snapshots(repo: &str) -> Vec<PathBuf> {
    let Some(cache) = hub_cache() else {
        return Vec::new();
    };
    let folder = Repo::model(repo.to_string()).folder_name();
    let Ok(entries) = std::fs::read_dir(cache.join(folder).join("snapshots")) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_as_one_model() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "a-00001-of-00002.gguf",
            "a-00002-of-00002.gguf",
            "b.gguf",
            "c-00002-of-00002.gguf",
        ];
        let paths = names.map(|name| folder.path().join(name));
        for path in &paths {
            std::fs::write(path, "GGUF").unwrap();
        }
        let found = gguf_files(folder.path());
        assert_eq!(found, [&*paths[0], &*paths[2], &*paths[3]]);
        assert_eq!((size(&paths[0]), size(&paths[2])), (8, 4));
        assert_eq!(named(paths[1].clone()).name, "a");
        assert!(is_whole(&paths[1]) && !is_whole(&paths[3]));
    }

    #[test]
    fn the_best_is_whole_and_begins_with_its_first_part() {
        let best = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            best(&names).map(|index| names[index].clone())
        };
        let parts = [
            "Q/a-Q4_K_M-00002-of-00002.gguf",
            "Q/a-Q4_K_M-00001-of-00002.gguf",
        ];
        assert_eq!(
            best(&[parts[0], parts[1], "a-Q8_0.gguf"]).unwrap(),
            parts[1]
        );
        assert_eq!(best(&[parts[1], "a-Q8_0.gguf"]).unwrap(), "a-Q8_0.gguf");
        assert_eq!(best(&[parts[0]]), None);
    }
}
