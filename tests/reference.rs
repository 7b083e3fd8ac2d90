//! Decisions of the Ada-KV authors' own selection code on real activations.

mod common;

use std::sync::Arc;

use cachat::engine::evict::Evictor;
use cachat::engine::inspect::{Inspection, inspect};
use cachat::model::gguf::GgufFile;
use cachat::model::{DeviceKind, LoadOptions, Network};
use cachat::policy::{Params, Preset};
use serde_json::Value;

fn load() -> Option<Arc<dyn Network>> {
    let file = Arc::new(GgufFile::open(common::load::real_model()?).unwrap());
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        exact: true,
        ..LoadOptions::default()
    };
    Some(cachat::model::load(&file, &options, &|_| {}).unwrap())
}

fn case(name: &str) -> Value {
    let path = format!(
        "{}/tests/fixtures/reference/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// `POLICY.BUDGET` as the files name it.
fn evictor(variant: &str) -> Evictor {
    let (policy, budget) = variant.rsplit_once('.').unwrap();
    Evictor {
        preset: policy.parse::<Preset>().unwrap(),
        params: Params::default(),
        budget: budget.parse().unwrap(),
    }
}

fn same_sets(found: &Inspection, variant: &Value, what: &str) {
    let (mut heads, mut same) = (0, 0);
    for (l, layer) in found.layers.iter().enumerate() {
        for (h, kept) in layer.kept.iter().enumerate() {
            let expected = ids(&variant["kept"][l][h]);
            heads += 1;
            same += usize::from(*kept == expected);
            let off = kept.len().abs_diff(expected.len());
            assert!(off <= 1, "{what}: layer {l} head {h} is {off} entries off");
            let retained = variant["retained"][l][h].as_f64().unwrap();
            let error = (f64::from(layer.retained_mass[h]) - retained).abs();
            assert!(
                error <= 0.1 * retained + 0.01,
                "{what}: layer {l} head {h} mass"
            );
        }
        let full = layer.l1_full;
        assert!(
            layer.l1_loss <= full * 2.0,
            "{what}: layer {l} loses more than there is"
        );
    }
    assert!(
        same * 100 >= heads * 99,
        "{what}: {same} of {heads} heads keep the reference set"
    );
}

#[test]
fn every_policy_keeps_what_the_authors_code_keeps() {
    let Some(network) = load() else { return };
    for name in ["declaration_300", "constitution_1000"] {
        let case = case(name);
        let tokens = ids(&case["tokens"]);
        for (variant, expected) in case["variants"].as_object().unwrap() {
            // The longer prompt for the policies of our own and the default; each takes a prefill.
            let few = ["ada-reach.128", "ada-snapkv.128"].contains(&variant.as_str());
            if name == "constitution_1000" && !few {
                continue;
            }
            let what = format!("{name} {variant}");
            let found = inspect(&network, &evictor(variant), &tokens, 0).unwrap();
            same_sets(&found, expected, &what);
            // Scores of the reach policy have no ties: its loss is exact.
            if variant.starts_with("ada-reach") {
                for (l, layer) in found.layers.iter().enumerate() {
                    let l1 = expected["l1"][l].as_f64().unwrap();
                    assert!(
                        (layer.l1_loss - l1).abs() <= 0.01 * l1 + 0.001,
                        "{what}: layer {l}"
                    );
                }
            }
        }
    }
}

#[test]
fn decoding_equals_the_reference() {
    let Some(network) = load() else { return };
    let case = case("declaration_300");
    let tokens = ids(&case["tokens"]);
    let found = inspect(&network, &evictor("ada-snapkv.128"), &tokens, 48).unwrap();
    let expected = &case["variants"]["ada-snapkv.128"];
    let margins: Vec<f64> = serde_json::from_value(case["full_margins"].clone()).unwrap();
    let sure = margins.iter().position(|&m| m < 0.02).unwrap_or(48);
    assert_eq!(found.full.greedy[..sure], ids(&case["full_greedy"])[..sure]);
    let kl = expected["kl_mean"].as_f64().unwrap();
    assert!((found.evicted.kl_mean.unwrap() - kl).abs() <= 0.1 * kl + 0.01);
    for (found, expected) in found.full.last_logits_top.iter().zip(0..5) {
        let reference = &case["full_last_top"][expected];
        assert_eq!(found.0, reference[0].as_u64().unwrap() as u32);
        assert!((f64::from(found.1) - reference[1].as_f64().unwrap()).abs() < 1e-2);
    }
}
