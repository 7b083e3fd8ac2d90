//! llama.cpp's own vocabularies with its own cases, where `CACHAT_VOCABS` names a folder of them
//! (`NAME.gguf` with `NAME.gguf.inp` and `NAME.gguf.out`, as in its `models/`).

use super::*;

const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

/// Cases whose ids differ, of how many, or why the vocabulary cannot be read.
fn judged(path: &std::path::Path, special: bool) -> Result<(Vec<String>, usize), String> {
    let file = GgufFile::open(path).map_err(|e| e.to_string())?;
    let tokenizer = Tokenizer::from_gguf(&file).map_err(|e| e.to_string())?;
    let beside = |end: &str| {
        let path = format!("{}.{end}", path.display());
        std::fs::read(&path).map_err(|e| format!("{path}: {e}"))
    };
    let texts = String::from_utf8(beside("inp")?).map_err(|e| e.to_string())?;
    let ids = String::from_utf8(beside("out")?).map_err(|e| e.to_string())?;
    let (texts, ids): (Vec<&str>, Vec<&str>) =
        (texts.split(SEPARATOR).collect(), ids.lines().collect());
    if ids.len() + 1 < texts.len() || ids.len() > texts.len() {
        return Err(format!("{} texts and {} answers", texts.len(), ids.len()));
    }
    let mut wrong = Vec::new();
    for (text, ids) in texts.iter().zip(&ids) {
        let ids: Vec<u32> = ids
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        let ours = tokenizer.encode(text, special).map_err(|e| e.to_string())?;
        if ours != ids {
            let pieces = |ids: &[u32]| -> Vec<String> {
                let bytes = ids.iter().map(|id| tokenizer.token_bytes(*id));
                bytes
                    .map(|b| String::from_utf8_lossy(&b).into_owned())
                    .collect()
            };
            let (ours, theirs) = (pieces(&ours), pieces(&ids));
            wrong.push(format!("{text:?}\n  {ours:?}\n  {theirs:?}"));
        }
    }
    Ok((wrong, ids.len()))
}

#[test]
fn all_cases_of_llama_cpp() {
    let Some(folder) = std::env::var_os("CACHAT_VOCABS") else {
        return;
    };
    let special = std::env::var_os("CACHAT_VOCABS_SPECIAL").is_some();
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "gguf"))
        .collect();
    paths.sort();
    let mut all = true;
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match judged(&path, special) {
            Ok((wrong, cases)) => {
                println!("{name}: {} of {cases}", cases - wrong.len());
                wrong.iter().take(5).for_each(|text| println!("{text}"));
                all &= wrong.is_empty();
            }
            Err(why) => {
                println!("{name}: {why}");
                // Kinds that are not for conversations, and files without cases, are no failure.
                all &= name.contains("bert") || !path.with_extension("gguf.inp").exists();
            }
        }
    }
    assert!(all);
}
