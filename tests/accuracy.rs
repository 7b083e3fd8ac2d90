//! What the fast mode (8-bit activations, or bf16 where the CPU has a matrix unit; f16 cache) costs against exact mode and the reference.
//! `CACHAT_TEST_TEXT=4000` reads as many tokens for the perplexity as the table in `docs/performance.md`.

mod common;

use std::sync::Arc;

use cachat::engine::evict::Evictor;
use cachat::engine::inspect::inspect;
use cachat::engine::logits::kl;
use cachat::model::gguf::GgufFile;
use cachat::model::{DeviceKind, LoadOptions, Network, NoHooks};
use cachat::policy::{Params, Preset};
use serde_json::Value;

fn load(exact: bool) -> Option<Arc<dyn Network>> {
    let file = Arc::new(GgufFile::open(common::load::real_model()?).unwrap());
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        exact,
        ..LoadOptions::default()
    };
    Some(cachat::model::load(&file, &options, &|_| {}).unwrap())
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// |a ∩ b| ÷ |a ∪ b| of two ascending lists.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let common = a.iter().filter(|p| b.binary_search(p).is_ok()).count();
    common as f64 / (a.len() + b.len() - common) as f64
}

#[test]
fn the_fast_mode_keeps_nearly_the_reference_sets() {
    let Some(network) = load(false) else { return };
    for (name, variants) in [
        ("declaration_300", &["ada-snapkv.96", "ada-reach.128"][..]),
        ("constitution_1000", &["ada-snapkv.128"]),
    ] {
        let case = fixture(&format!("reference/{name}.json"));
        let tokens = ids(&case["tokens"]);
        for variant in variants {
            let (policy, budget) = variant.rsplit_once('.').unwrap();
            let evictor = Evictor {
                preset: policy.parse::<Preset>().unwrap(),
                params: Params::default(),
                budget: budget.parse().unwrap(),
            };
            let found = inspect(&network, &evictor, &tokens, 0).unwrap();
            let heads = found.layers.iter().enumerate().flat_map(|(l, layer)| {
                let expected = &case["variants"][variant]["kept"][l];
                let same = move |(h, kept): (usize, &Vec<u32>)| jaccard(kept, &ids(&expected[h]));
                layer.kept.iter().enumerate().map(same)
            });
            let heads: Vec<f64> = heads.collect();
            let mean = heads.iter().sum::<f64>() / heads.len() as f64;
            println!("{name} {variant}: Jaccard {mean:.4}");
            assert!(mean >= 0.92, "{name} {variant}: Jaccard {mean:.4}");
        }
    }
}

#[test]
fn the_fast_mode_says_nearly_the_same() {
    let (Some(fast), Some(exact)) = (load(false), load(true)) else {
        return;
    };
    let read = std::env::var("CACHAT_TEST_TEXT").map_or(500, |n| n.parse().unwrap());
    let mut tokens = ids(&fixture("constitution_4000_tokens.json"));
    tokens.truncate(read);
    // The last logits of prompts of several lengths.
    for prompt in [
        ids(&fixture("reference/declaration_300.json")["tokens"]),
        ids(&fixture("reference/constitution_1000.json")["tokens"]),
    ] {
        let last = |network: &Arc<dyn Network>| {
            let mut sequence = network.clone().sequence(32).unwrap();
            let logits = sequence.prefill(&prompt, &mut NoHooks);
            logits.unwrap().unwrap()
        };
        let kl = kl(&last(&exact), &last(&fast));
        println!("{} tokens: KL of the last logits {kl:.5}", prompt.len());
        assert!(kl <= 0.005, "{} tokens: KL {kl}", prompt.len());
    }
    let perplexity = |network: &dyn Network| {
        let all = network.log_likelihoods(&tokens).unwrap();
        assert_eq!(all.len(), tokens.len() - 1);
        (-all.iter().sum::<f64>() / all.len() as f64).exp()
    };
    let (fast, exact) = (perplexity(&*fast), perplexity(&*exact));
    println!("perplexity of {read} tokens: exact {exact:.4}, fast {fast:.4}");
    assert!(
        (fast / exact - 1.0).abs() <= 0.005,
        "{fast} against {exact} in exact mode"
    );
}
