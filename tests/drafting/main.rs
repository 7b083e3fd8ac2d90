//! Drafted answers: what is fed in one pass leaves exactly what feeding it token by token leaves, and
//! every answer is, token for token, the one without drafts.

mod answers;
mod lanes;

use std::path::Path;
use std::sync::Arc;

use cachat::model::gguf::GgufFile;
use cachat::model::{ComputePath, DeviceKind, LoadOptions, Network};
use cachat::testing::{TinySpec, write_family_gguf, write_tiny_gguf};
use candle_core::quantized::GgmlDType;

/// A model's file, and how it is loaded.
#[derive(Clone, Copy, PartialEq)]
enum Made {
    Family(&'static str),
    /// Of quantised weights.
    Packed(GgmlDType),
    Plain,
}

impl Made {
    fn write(self, path: &Path) {
        match self {
            Made::Family(name) => write_family_gguf(path, name, 12).unwrap(),
            Made::Packed(quant) => {
                let spec = TinySpec {
                    quant,
                    hidden: 256,
                    ffn: 512,
                    heads: 8,
                    head_dim: 32,
                    endless: true,
                    ..TinySpec::qwen2()
                };
                write_tiny_gguf(path, &spec).unwrap();
            }
            Made::Plain => {
                let spec = TinySpec {
                    endless: true,
                    ..TinySpec::llama()
                };
                write_tiny_gguf(path, &spec).unwrap();
            }
        }
    }
}

fn file(made: Made) -> Arc<GgufFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    made.write(&path);
    Arc::new(GgufFile::open(&path).unwrap())
}

fn network(file: &Arc<GgufFile>, exact: bool, path: ComputePath) -> Arc<dyn Network> {
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact,
        path,
        ..LoadOptions::default()
    };
    cachat::model::load(file, &options, &|_| {}).unwrap()
}
