//! A generated model of each family, and what llama.cpp says of it, or of Gemma 4 transformers
//! (`tests/fixtures/logits/`).
//! `CACHAT_WRITE_ARCHS` names a folder to write the models and token ids to, for making those anew.

use std::sync::Arc;

use cachat::model::family;
use cachat::model::gguf::GgufFile;
use cachat::model::{ComputePath, DeviceKind, LoadOptions, Network, NoHooks};
use cachat::testing::write_family_gguf;

const SEED: u64 = 12;
const LEN: usize = 60;
/// Positions whose logits are held: the first is a prefill's, the others are decoded.
const HELD: [usize; 3] = [40, 41, 59];

fn ids() -> Vec<u32> {
    (0..LEN as u32)
        .map(|i| 3 + (i * 37 + i * i * 11) % 260)
        .collect()
}

pub fn load(architecture: &'static str, path: ComputePath, exact: bool) -> Arc<dyn Network> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("tiny.gguf");
    write_family_gguf(&at, architecture, SEED).unwrap();
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact,
        path,
        ..LoadOptions::default()
    };
    let file = Arc::new(GgufFile::open(&at).unwrap());
    cachat::model::load(&file, &options, &|_| {}).unwrap()
}

fn logits(network: Arc<dyn Network>) -> Vec<Vec<f32>> {
    let (ids, mut found) = (ids(), Vec::new());
    let mut sequence = network.sequence(8).unwrap();
    let first = sequence.prefill(&ids[..=HELD[0]], &mut NoHooks);
    found.push(first.unwrap().unwrap());
    for (position, &id) in ids.iter().enumerate().skip(HELD[0] + 1) {
        let next = sequence.decode(id, &|| false).unwrap().unwrap();
        if HELD.contains(&position) {
            found.push(next);
        }
    }
    found
}

pub fn names() -> impl Iterator<Item = &'static str> {
    family::ALL.into_iter().map(|family| family.architecture)
}

#[test]
fn every_family_gives_llama_cpps_logits_on_both_backends() {
    for name in names() {
        let fixture = format!(
            "{}/tests/fixtures/logits/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let wanted = std::fs::read_to_string(&fixture).expect(&fixture);
        let wanted: Vec<Vec<f32>> = serde_json::from_str(&wanted).unwrap();
        for path in ComputePath::ALL {
            let found = logits(load(name, path, true));
            for (position, (found, wanted)) in HELD.iter().zip(found.iter().zip(&wanted)) {
                let largest = wanted.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                for (id, (f, w)) in found.iter().zip(wanted).enumerate() {
                    assert!(
                        (f - w).abs() < 1e-3 * largest,
                        "{name}, {path:?}, position {position}, token {id}: {f} and {w}"
                    );
                }
            }
        }
    }
}

/// Layers with a window hold no more than it and a page, whatever the policy, and what they hold is
/// enough.
#[test]
fn windows_bound_their_layers() {
    for name in ["gemma2", "gemma3", "olmo2"] {
        let network = load(name, ComputePath::Kernels, true);
        let windows: Vec<_> = network
            .description()
            .layers
            .iter()
            .map(|l| l.window())
            .collect();
        assert!(
            windows.contains(&Some(16)) && windows.contains(&None),
            "{name}"
        );
        let mut sequence = network.clone().sequence(8).unwrap();
        let ids: Vec<u32> = ids().into_iter().cycle().take(300).collect();
        sequence.prefill(&ids[..150], &mut NoHooks).unwrap();
        for &id in &ids[150..] {
            sequence.decode(id, &|| false).unwrap();
            for (layer, window) in windows.iter().enumerate() {
                let most = window.map_or(sequence.position(), |window| window + 64);
                assert!(
                    sequence.lens(layer).iter().all(|&len| len <= most),
                    "{name}"
                );
            }
        }
        assert_eq!(sequence.position(), 300);
    }
}

#[test]
fn models_are_written_for_others() {
    let Some(folder) = std::env::var_os("CACHAT_WRITE_ARCHS") else {
        return;
    };
    let ids: Vec<String> = ids().iter().map(u32::to_string).collect();
    for name in names() {
        let path = std::path::Path::new(&folder).join(format!("{name}.gguf"));
        write_family_gguf(&path, name, SEED).unwrap();
        std::fs::write(path.with_extension("60.ids"), ids.join(" ")).unwrap();
    }
}
