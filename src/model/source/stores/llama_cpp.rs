//! llama.cpp's cache: files in one folder, called `OWNER_REPO_FILE.gguf`. Its newer builds use the
//! Hugging Face cache.

use std::path::PathBuf;

use super::shelf::{Origin, Shelf, is_beside};
use crate::model::source::files::{gguf_files, is_whole, named};

pub(super) fn list(places: &[PathBuf], shelf: &mut Shelf) {
    let files = places.iter().flat_map(|place| gguf_files(place));
    for path in files.filter(|path| !is_beside(path)) {
        let file = named(path.clone()).name;
        let name = format!("{}:{file}", Origin::LlamaCpp.name());
        shelf.add(Origin::LlamaCpp, name, path);
    }
}

/// A file of a Hub repository.
pub(super) fn file(places: &[PathBuf], repo: &str, file: &str) -> Option<PathBuf> {
    let name = format!("{repo}/{file}").replace('/', "_");
    let mut paths = places.iter().map(|place| place.join(&name));
    paths.find(|path| is_whole(path))
}
