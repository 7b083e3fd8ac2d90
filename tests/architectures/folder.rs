//! A folder of models with llama.cpp's logits: `NAME.gguf`, `NAME.LEN.ids` (token ids as text) and
//! `NAME.LEN.logits` (f32, `[LEN, vocabulary]`). `CACHAT_ARCHS` names it.

use std::path::Path;
use std::sync::Arc;

use cachat::model::gguf::GgufFile;
use cachat::model::{ComputePath, DeviceKind, LoadOptions, Network, NoHooks};

/// The largest difference, relative to the largest logit, of the last `decoded + 1` positions: the
/// first of them from a prefill, the others decoded.
fn difference(network: &Arc<dyn Network>, ids: &[u32], wanted: &[f32], decoded: usize) -> f32 {
    let vocabulary = wanted.len() / ids.len();
    let mut sequence = network.clone().sequence(8).unwrap();
    let read = ids.len() - decoded;
    let mut worst = 0.0f32;
    for position in read - 1..ids.len() {
        let logits = match position + 1 == read {
            true => sequence.prefill(&ids[..read], &mut NoHooks),
            false => sequence.decode(ids[position], &|| false),
        };
        let logits = logits.unwrap().unwrap();
        let wanted = &wanted[position * vocabulary..][..vocabulary];
        let largest = wanted.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let pairs = logits.iter().zip(wanted);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        worst = worst.max(off / largest);
    }
    worst
}

fn check(model: &Path, path: ComputePath) -> Vec<(usize, Result<f32, String>)> {
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact: true,
        path,
        ..LoadOptions::default()
    };
    let mut found = Vec::new();
    for len in [40, 200] {
        let ids = std::fs::read_to_string(model.with_extension(format!("{len}.ids")));
        let Ok(ids) = ids else { continue };
        let ids: Vec<u32> = ids
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        let bytes = std::fs::read(model.with_extension(format!("{len}.logits"))).unwrap();
        let wanted: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let network = GgufFile::open(model)
            .map_err(|error| error.to_string())
            .and_then(|file| {
                cachat::model::load(&Arc::new(file), &options, &|_| {}).map_err(|e| e.to_string())
            });
        found.push((
            len,
            network.map(|network| difference(&network, &ids, &wanted, 6)),
        ));
    }
    found
}

#[test]
fn every_model_of_the_folder_gives_llama_cpps_logits() {
    let Some(folder) = std::env::var_os("CACHAT_ARCHS") else {
        return;
    };
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|p| p.extension().is_some_and(|e| e == "gguf"))
        .collect();
    files.sort();
    let only = std::env::var("CACHAT_ARCHS_ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for model in files {
        let name = model.file_stem().unwrap().to_string_lossy().into_owned();
        if !only.is_empty() && !only.split(',').any(|start| name.starts_with(start)) {
            continue;
        }
        for path in ComputePath::ALL {
            for (len, off) in check(&model, path) {
                eprintln!("{name} {len} {path:?}: {off:?}");
                if !off.is_ok_and(|off| off < 1e-3) {
                    wrong.push(format!("{name} {len} {path:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
