//! LM Studio's folder: `PUBLISHER/REPO/FILE.gguf`.

use std::path::PathBuf;

use super::shelf::{Origin, Shelf, is_beside, plain_name};
use crate::model::source::files::{folders, gguf_files, is_whole, named};

pub(super) fn list(places: &[PathBuf], shelf: &mut Shelf) {
    let publishers = places.iter().flat_map(|place| folders(place));
    for repo in publishers.flat_map(|publisher| folders(&publisher)) {
        let publisher = repo.parent().and_then(plain_name);
        let (Some(publisher), Some(called)) = (publisher, plain_name(&repo)) else {
            continue;
        };
        for path in gguf_files(&repo).into_iter().filter(|p| !is_beside(p)) {
            let file = named(path.clone()).name;
            let name = format!("{}:{publisher}/{called}/{file}", Origin::LmStudio.name());
            shelf.add(Origin::LmStudio, name, path);
        }
    }
}

/// A file of a Hub repository: its folders are called as the Hub has them.
pub(super) fn file(places: &[PathBuf], repo: &str, file: &str) -> Option<PathBuf> {
    let mut paths = places.iter().map(|place| place.join(repo).join(file));
    paths.find(|path| is_whole(path))
}
