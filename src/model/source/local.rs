//! Model files that are already on this machine.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::files::{ResolvedModel, gguf_files, is_projector, is_whole, named};
use super::known::{self, Known};
use super::stores::{Found, Places, Shelf, hugging_face};
use super::{ModelSpec, SourceError};
use crate::dirs::Dirs;
use crate::model::gguf::split::{self, PartName};

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
            None => in_stores(name, dirs).map(Some),
        },
    }
}

/// Checks that `path` is a GGUF file by its first four bytes; a folder with one model stands for
/// that.
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
        let mut files = gguf_files(path);
        files.retain(|file| !is_projector(file));
        return match files.as_slice() {
            [file] => at_path(file),
            _ => Err(SourceError::Folder {
                path: path.to_path_buf(),
                count: files.len(),
            }),
        };
    }
    // Opening a named pipe would wait for ever.
    if !kind.is_file() {
        return Err(SourceError::NotAFile(path.to_path_buf()));
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

/// A known model's file, where it is here.
pub fn known_file(known: &Known, dirs: &Dirs) -> Option<PathBuf> {
    let ours = dirs.models.join(known.file);
    let theirs = || Places::of(dirs).hub_file(known.repo, known.file);
    // Its hash was checked when it was fetched.
    Some(ours)
        .filter(|path| known.has_size(path))
        .or_else(|| theirs().filter(|path| known.has_size(path)))
}

/// A Hub file that was fetched before, by whomever.
pub fn hub_file(repo: &str, file: &str, dirs: &Dirs) -> Option<PathBuf> {
    if let Some(known) = known::of_repo(repo, Some(file)) {
        return known_file(&known, dirs);
    }
    Some(fetched_path(repo, file, dirs))
        .filter(|path| is_whole(path))
        .or_else(|| Places::of(dirs).hub_file(repo, file))
}

/// Where a file fetched from the Hub is kept: known models by their file name, others in a
/// folder of their repository, so that equal names of two repositories stay apart.
pub fn fetched_path(repo: &str, file: &str, dirs: &Dirs) -> PathBuf {
    let base = Path::new(file).file_name().unwrap_or(file.as_ref());
    match known::of_repo(repo, Some(file)) {
        Some(_) => dirs.models.join(base),
        None => dirs.models.join(repo.replace('/', "--")).join(base),
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
    let of_repo = known::KNOWN.iter().filter(|known| known.repo == repo);
    let known = of_repo
        .into_iter()
        .find_map(|known| known_file(known, dirs));
    let mut files = gguf_files(&dirs.models.join(repo.replace('/', "--")));
    if let Some(cache) = hugging_face::cache() {
        for snapshot in hugging_face::snapshots(&cache, repo) {
            files.extend(hugging_face::below(&snapshot));
        }
    }
    files.retain(|path| is_whole(path));
    let all = files.iter().flat_map(|path| split::paths(path));
    let names: Vec<String> = all
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    known.or_else(|| best(&names).map(|index| PathBuf::from(&names[index])))
}

/// Which of a repository's models to take when none is named: a middle quantisation first.
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
            let model = name.ends_with(".gguf") && !is_projector(Path::new(&name));
            model && name.contains(kind) && begins(&name)
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

/// A model of any store, by the name that lists give it, or by a short one that no other has.
fn in_stores(name: &str, dirs: &Dirs) -> Result<ResolvedModel, SourceError> {
    let shelf = Places::of(dirs).list();
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    let exact = shelf.found.iter().find(|found| same(&found.name));
    let short = || -> Vec<&Found> {
        let called = shelf.found.iter().filter(|found| same(&found.short));
        called.collect()
    };
    let found = match exact.map_or_else(short, |found| vec![found]).as_slice() {
        [] => return Err(SourceError::Unknown(unknown_name(name, dirs, &shelf))),
        [found] => (*found).clone(),
        several => {
            let names: Vec<&str> = several.iter().map(|found| found.name.as_str()).collect();
            let names = names.join(", ");
            return Err(SourceError::Unknown(format!(
                "several models are called `{name}`: {names}\nName one of these."
            )));
        }
    };
    let path = at_path(&found.path)?.path;
    let name = found.short;
    Ok(ResolvedModel { path, name })
}

fn unknown_name(name: &str, dirs: &Dirs, shelf: &Shelf) -> String {
    let wanted = name.to_ascii_lowercase();
    let known = known::KNOWN.iter().map(|known| known.name);
    let here = shelf.found.iter().flat_map(|f| [&*f.name, &*f.short]);
    let near = known
        .chain(here)
        .map(|other| {
            let likeness = strsim::jaro_winkler(&wanted, &other.to_ascii_lowercase());
            (likeness, other)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.gguf");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/null")] {
            let error = at_path(path).unwrap_err();
            assert!(matches!(&error, SourceError::NotAFile(at) if at == path));
        }
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

    #[test]
    fn what_reads_pictures_for_a_model_is_not_taken_for_one() {
        let best = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            best(&names)
        };
        assert_eq!(best(&["mmproj-a-Q4_K_M.gguf", "x/a-F16.gguf"]), Some(1));
        assert_eq!(best(&["x/a-MMPROJ-F16.gguf"]), None);
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.gguf");
        for path in [&model, &folder.path().join("mmproj-model-f16.gguf")] {
            std::fs::write(path, "GGUF").unwrap();
        }
        assert_eq!(at_path(folder.path()).unwrap().path, model);
    }
}
