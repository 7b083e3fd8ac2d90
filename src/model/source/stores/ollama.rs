//! Ollama's store: `manifests/HOST/NAMESPACE/MODEL/TAG` says by its hash which file in `blobs/` has
//! the weights.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::shelf::{Origin, Shelf, plain_name};
use crate::model::source::files::{MOST_ENTRIES, folders};

/// A manifest that is longer is none.
const MANIFEST: u64 = 1 << 20;
/// The layer that is a GGUF file.
const WEIGHTS: &str = "application/vnd.ollama.image.model";
/// What names leave out.
const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: Option<u64>,
}

pub(super) fn list(places: &[PathBuf], shelf: &mut Shelf) {
    for place in places {
        let hosts = folders(&place.join("manifests")).into_iter();
        let spaces = hosts.flat_map(|host| folders(&host));
        for model in spaces.flat_map(|space| folders(&space)) {
            for manifest in tags(&model) {
                match short_name(&manifest).zip(Some(weights(place, &manifest))) {
                    Some((short, Ok(Some(path)))) => {
                        let name = format!("{}:{short}", Origin::Ollama.name());
                        shelf.put(Origin::Ollama, name, short, path);
                    }
                    Some((short, Err(why))) => {
                        shelf.note(Origin::Ollama, format!("{short} {why}"));
                    }
                    // Not all of its models are GGUF files.
                    _ => {}
                }
            }
        }
    }
}

/// The manifests of a model, by tag.
fn tags(model: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(model).into_iter().flatten();
    let paths = entries.take(MOST_ENTRIES).flatten().map(|e| e.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// `MODEL:TAG`, with what is not usual before it, as ollama writes it.
fn short_name(manifest: &Path) -> Option<String> {
    let mut names = manifest.ancestors().map(plain_name);
    let mut next = || names.next().flatten();
    let (tag, model, space, host) = (next()?, next()?, next()?, next()?);
    Some(match (host, space) {
        (HOST, NAMESPACE) => format!("{model}:{tag}"),
        (HOST, space) => format!("{space}/{model}:{tag}"),
        (host, space) => format!("{host}/{space}/{model}:{tag}"),
    })
}

/// Where the weights are that a manifest names; `None` where it names none.
fn weights(place: &Path, manifest: &Path) -> Result<Option<PathBuf>, &'static str> {
    let mut text = Vec::new();
    File::open(manifest)
        .and_then(|file| file.take(MANIFEST).read_to_end(&mut text))
        .map_err(|_| "cannot be read")?;
    let read: Manifest =
        serde_json::from_slice(&text).map_err(|_| "has a manifest that cannot be understood")?;
    let Some(layer) = read.layers.iter().find(|l| l.media_type == WEIGHTS) else {
        return Ok(None);
    };
    let hash = layer.digest.strip_prefix("sha256:").unwrap_or_default();
    // It becomes a path.
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("names its weights by something that is no hash");
    }
    let path = place.join("blobs").join(format!("sha256-{hash}"));
    let data = std::fs::metadata(&path).map_err(|_| "lacks its weights")?;
    let whole = data.is_file() && layer.size.is_none_or(|size| size == data.len());
    match whole {
        true => Ok(Some(path)),
        false => Err("has only a part of its weights"),
    }
}
