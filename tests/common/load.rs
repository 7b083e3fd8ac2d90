//! Models as conversations take them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cachat::dirs::Dirs;
use cachat::engine::session::Model;
use cachat::model::gguf::GgufFile;
use cachat::model::source::{ModelSpec, resolve};
use cachat::model::template::ChatTemplate;
use cachat::model::tokenizer::Tokenizer;
use cachat::model::{LoadOptions, Network};
use cachat::testing::{TinySpec, write_tiny_gguf};

/// Path of the default model's file, for tests that a small generated one cannot serve:
/// `CACHAT_TEST_MODEL`, or where the app keeps it, fetched if it has to be. `None`, with a word on
/// why, where it cannot be had: those tests are skipped.
pub fn real_model() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        if let Some(path) = std::env::var_os("CACHAT_TEST_MODEL") {
            return Some(PathBuf::from(path));
        }
        match resolve(&ModelSpec::default(), &Dirs::from_env(), &mut |_| {}) {
            Ok(found) => Some(found.path),
            Err(error) => {
                eprintln!("SKIPPED, the default model cannot be had: {error}");
                None
            }
        }
    };
    FOUND.get_or_init(find).clone()
}

/// The model of a file with all that belongs to it.
pub fn model(path: &Path, options: &LoadOptions) -> Model {
    let file = Arc::new(GgufFile::open(path).unwrap());
    let network = cachat::model::load(&file, options, &|_| {}).unwrap();
    around(network, &file)
}

/// What belongs to a network that was loaded of this file.
pub fn around(network: Arc<dyn Network>, file: &GgufFile) -> Model {
    let tokenizer = Tokenizer::from_gguf(file).unwrap();
    Model {
        network,
        template: ChatTemplate::from_gguf(file, &tokenizer).unwrap(),
        sampling: Default::default(),
        tokenizer,
    }
}

/// A generated one, whose file is gone when it is loaded.
pub fn tiny(spec: &TinySpec, options: &LoadOptions) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    write_tiny_gguf(&path, spec).unwrap();
    model(&path, options)
}
