//! A GGUF file: header, tensors, vocabulary, and a text through it.
#![no_main]

use cachat::model::gguf::GgufFile;
use cachat::model::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let Ok(model) = GgufFile::open(file.path()) else {
        return;
    };
    let names: Vec<&String> = model.content().tensor_infos.keys().collect();
    for name in names {
        let _ = model.tensor_data(name);
    }
    let Ok(tokenizer) = Tokenizer::from_gguf(&model) else {
        return;
    };
    let text = "Some words, 12 numbers\n\n<|im_start|> 日本 😀\t";
    for special in [false, true] {
        if let Ok(ids) = tokenizer.encode(text, special) {
            ids.iter().for_each(|&id| drop(tokenizer.token_bytes(id)));
        }
    }
});
