//! The app's own folder: files that were put there, and folders of repositories.

use std::path::Path;

use super::shelf::{Origin, Shelf, is_beside, plain_name};
use crate::model::source::files::{folders, gguf_files, named};
use crate::model::source::known::KNOWN;

pub(super) fn list(folder: &Path, shelf: &mut Shelf) {
    for path in gguf_files(folder).into_iter().filter(|p| !is_beside(p)) {
        let known = KNOWN.iter().find(|k| plain_name(&path) == Some(k.file));
        // Half of a known file is an interrupted copy.
        if known.is_some_and(|k| !k.has_size(&path)) {
            continue;
        }
        let name = match known {
            Some(known) => known.name.to_owned(),
            None => named(path.clone()).name,
        };
        shelf.add(Origin::Own, name, path);
    }
    for inner in folders(folder) {
        let repo = plain_name(&inner).and_then(|name| name.split_once("--"));
        for path in gguf_files(&inner).into_iter().filter(|p| !is_beside(p)) {
            let name = match (repo, plain_name(&path)) {
                (Some((owner, repo)), Some(file)) => format!("{owner}/{repo}:{file}"),
                _ => continue,
            };
            shelf.add(Origin::Own, name, path);
        }
    }
}
