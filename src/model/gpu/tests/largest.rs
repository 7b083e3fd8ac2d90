//! The largest of a row, whatever it is like, and an answer that is drawn of them.

use std::sync::Arc;

use super::against_host::{emulated, written};
use crate::gpu::Element;
use crate::model::decoder::Decoder;
use crate::model::gpu::Executor;
use crate::model::gpu::largest::largest;
use crate::model::gpu::rows::Rows;
use crate::model::logits::Logits;
use crate::model::network::{Network, NoHooks};
use crate::testing::TinySpec;
use crate::testing::random::Random;

/// All in order, the lowest place first of equals.
pub fn sorted(row: &[f32]) -> Vec<(f32, u32)> {
    let mut all: Vec<(f32, u32)> = row.iter().copied().zip(0..).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all
}

pub fn bits(of: &[(f32, u32)]) -> Vec<(u32, u32)> {
    of.iter().map(|(x, place)| (x.to_bits(), *place)).collect()
}

#[test]
fn the_largest_are_found_in_order_whatever_the_row_is_like() {
    let gpu = emulated(11);
    let mut random = Random::new(5);
    for count in [
        1, 2, 31, 119, 120, 121, 127, 128, 129, 1000, 2047, 2048, 2049, 4500, 140_001,
    ] {
        let mut rows: Vec<Vec<f32>> = vec![
            (0..count).map(|_| random.normal()).collect(),
            // Of few values, below and above nothing, and nothing of both signs.
            (0..count).map(|_| random.normal().round() * 0.0).collect(),
            (0..count).map(|_| random.normal().round()).collect(),
            vec![-7.25; count],
            (0..count).map(|i| i as f32).collect(),
            (0..count).map(|i| -(i as f32)).collect(),
        ];
        rows.truncate(if count > 10_000 { 3 } else { 6 });
        for row in rows {
            let found = largest(&Rows::upload(&gpu, &row, 1).unwrap()).unwrap();
            let wanted = &sorted(&row)[..count.min(120)];
            assert_eq!(bits(&found.found), bits(wanted), "of {count}");
            assert!(found.finite);
        }
    }
}

#[test]
fn what_is_no_number_is_seen_wherever_it_is() {
    let gpu = emulated(12);
    for (place, x) in [
        (0, f32::NAN),
        (2999, -f32::NAN),
        (1700, f32::INFINITY),
        (2047, f32::NEG_INFINITY),
        (2048, f32::NAN),
    ] {
        let mut row = vec![0.5; 3000];
        row[place] = x;
        let found = largest(&Rows::upload(&gpu, &row, 1).unwrap()).unwrap();
        assert!(!found.finite, "{x} at {place}");
    }
}

/// The best of a decoded token are those of its row, also where a model scales or caps its logits.
#[test]
fn the_best_are_those_of_the_whole_row() {
    for (scale, cap) in [(1.0, None), (0.3, None), (1.0, Some(3.0))] {
        let file = written(&TinySpec::llama());
        let executor = Executor::new(emulated(13), Element::F16, false, true);
        let mut decoder = Decoder::load(executor, &file, &|_| {}).unwrap();
        decoder.description.scales.logits = scale;
        decoder.description.scales.logit_cap = cap;
        let mut sequence = Arc::new(decoder).sequence(8).unwrap();
        let tokens: Vec<u32> = (0..40).collect();
        sequence.prefill(&tokens, &mut NoHooks).unwrap();
        for token in 0..6 {
            let rows = sequence.verify(&[token], &|| false).unwrap().unwrap();
            sequence.settle(1).unwrap();
            let logits: Logits = rows.into_iter().next().unwrap().unwrap();
            let best = logits.best().unwrap().clone();
            let wanted = sorted(&logits.whole().unwrap());
            assert_eq!(bits(&best.tokens), bits(&wanted[..120]));
            assert_eq!(best.floor, Some(wanted[119].0));
        }
    }
}
