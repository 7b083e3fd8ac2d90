//! Model files as they lie in folders: their names, their sizes, and which belong together.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::model::gguf::split::{self, PartName};

/// A folder with more entries than this is read no further.
pub const MOST_ENTRIES: usize = 4096;

/// A model file on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedModel {
    pub path: PathBuf,
    /// Short name for people.
    pub name: String,
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
pub fn is_whole(path: &Path) -> bool {
    split::paths(path).iter().all(|path| path.is_file())
}

/// Whether a file goes with a model and is none: what makes tokens of pictures.
pub fn is_projector(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_ascii_lowercase().contains("mmproj")
}

/// The GGUF files directly in a folder, by name; of models in parts, the first ones. Files only,
/// where links lead: nothing else could be read to its end.
pub fn gguf_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .take(MOST_ENTRIES)
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

/// The visible folders in a folder, by name.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .take(MOST_ENTRIES)
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
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
}
