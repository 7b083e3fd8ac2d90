//! A tiny model for the tests of this room.

use std::sync::Arc;

use crate::engine::sampling::FileSampling;
use crate::engine::session::Model;
use crate::model::gguf::GgufFile;
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::model::{LoadOptions, load};
use crate::policy::Params;
use crate::testing::{TinySpec, write_tiny_gguf};

/// One that never ends an answer.
pub fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let spec = TinySpec {
        endless: true,
        ..TinySpec::llama()
    };
    write_tiny_gguf(&path, &spec).unwrap();
    let file = Arc::new(GgufFile::open(&path).unwrap());
    let tokenizer = Tokenizer::from_gguf(&file).unwrap();
    Model {
        network: load(&file, &LoadOptions::default(), &|_| {}).unwrap(),
        template: ChatTemplate::from_gguf(&file, &tokenizer).unwrap(),
        tokenizer,
        sampling: FileSampling::default(),
    }
}

/// With a window that short texts exceed.
pub fn params() -> Params {
    Params {
        window: 8,
        ..Params::default()
    }
}
