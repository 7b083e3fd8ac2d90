use std::sync::Arc;

use super::*;
use crate::engine::event::Sampling;
use crate::model::error::ModelError;
use crate::model::logits::{Largest, Row};
use crate::testing::random::Random;

/// A row that counts who reads it.
struct Counted(Vec<f32>, std::rc::Rc<std::cell::Cell<usize>>);

impl Row for Counted {
    fn read(self: Box<Self>) -> Result<Vec<f32>> {
        self.1.set(self.1.get() + 1);
        Ok(self.0)
    }
}

/// As a device gives it, the `most` largest.
fn far(row: &[f32], most: usize, reads: &std::rc::Rc<std::cell::Cell<usize>>) -> Logits {
    let largest = Largest {
        found: logits::top_from(row, most, f32::NEG_INFINITY),
        finite: true,
    };
    let best = Best::of(largest, row.len(), |_| {});
    Logits::Far(best, Box::new(Counted(row.to_vec(), reads.clone())))
}

fn samplings() -> Vec<Sampling> {
    let mut all = Vec::new();
    for temperature in [0.0, 0.2, 1.0, 30.0] {
        for (top_k, top_p, min_p) in [
            (40, 0.9, 0.0),
            (1, 1.0, 0.0),
            (0, 1.0, 0.0),
            (0, 0.9, 0.0),
            (0, 1.0, 0.1),
            (50, 0.95, 0.02),
            (200, 0.5, 0.0),
            (5000, 0.5, 0.3),
        ] {
            for repeat_penalty in [1.0, 1.1, 3.0, 0.8] {
                all.push(Sampling {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    repeat_penalty,
                    seed: 7,
                    ..Sampling::default()
                });
            }
        }
    }
    all
}

#[test]
fn what_is_drawn_of_the_largest_is_what_is_drawn_of_all() {
    let mut random = Random::new(3);
    let reads = std::rc::Rc::default();
    for sampling in samplings() {
        let mut samplers = [Sampler::new(&sampling), Sampler::new(&sampling)];
        let mut recent = Vec::new();
        for step in 0..12 {
            let row: Vec<f32> = (0..700)
                .map(|_| match step % 4 {
                    // Flat, of few values, and all the same: ties at every edge.
                    0 => 4.0 * random.normal(),
                    1 => random.normal() * 0.01,
                    2 => random.normal().round(),
                    _ => 1.5,
                })
                .collect();
            let most = [120, 3, 700][step % 3];
            let near = samplers[0].draw(row.clone().into(), &recent).unwrap();
            let of_best = samplers[1].draw(far(&row, most, &reads), &recent).unwrap();
            assert_eq!(near, of_best, "{sampling:?}, step {step}");
            // Some of the likely ones have been said.
            let likely = logits::top_from(&row, 5, f32::NEG_INFINITY);
            recent.extend(likely.iter().map(|(_, token)| *token));
            recent.push(near);
        }
    }
    assert!(reads.get() > 0, "some need all of it");
}

#[test]
fn the_default_reads_no_whole_row() {
    let mut random = Random::new(4);
    let reads = std::rc::Rc::default();
    for temperature in [0.0, Sampling::default().temperature] {
        let sampling = Sampling {
            temperature,
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling);
        let mut recent = Vec::new();
        for _ in 0..200 {
            let row: Vec<f32> = (0..2000).map(|_| 3.0 * random.normal()).collect();
            let token = sampler.draw(far(&row, 120, &reads), &recent).unwrap();
            recent.push(token);
        }
    }
    assert_eq!(reads.get(), 0);
}

#[test]
fn the_likeliest_is_the_lowest_of_equals() {
    let reads = std::rc::Rc::default();
    let mut row = vec![-1.0f32; 300];
    row[17] = 2.5;
    row[220] = 2.5;
    assert_eq!(logits::argmax(&row), 17);
    assert_eq!(logits::likeliest(far(&row, 4, &reads)).unwrap(), 17);
    assert_eq!(reads.get(), 0);
    // Where the list ends among equals it does not say which is first.
    let flat = vec![-0.0f32; 300];
    assert_eq!(logits::likeliest(far(&flat, 4, &reads)).unwrap(), 0);
    assert_eq!(reads.get(), 1);
    assert_eq!(logits::argmax(&[-3.0, -2.0, -2.5]), 1);
    assert_eq!(logits::argmax(&[]), 0);
}

#[test]
fn a_row_that_cannot_be_read_is_an_error() {
    struct Lost;
    impl Row for Lost {
        fn read(self: Box<Self>) -> Result<Vec<f32>> {
            Err(ModelError::NotFinite { file: "x".into() })
        }
    }
    let largest = Largest {
        found: vec![(1.0, 0)],
        finite: true,
    };
    let mut sampler = Sampler::new(&Sampling {
        top_k: 0,
        ..Sampling::default()
    });
    let logits = Logits::Far(Best::of(largest, 2, |_| {}), Box::new(Lost));
    assert!(sampler.draw(logits, &[]).is_err());
}

/// On the emulated device: tokens drawn of what it sends are those drawn of whole rows.
#[test]
fn an_answer_of_a_device_is_the_one_of_whole_rows() {
    use crate::model::gguf::GgufFile;
    use crate::model::{ComputePath, LoadOptions, NoHooks, load};
    use crate::testing::{TinySpec, write_tiny_gguf};
    let file = tempfile::NamedTempFile::new().unwrap();
    let spec = TinySpec {
        vocab: 1500,
        ..TinySpec::llama()
    };
    write_tiny_gguf(file.path(), &spec).unwrap();
    let file = Arc::new(GgufFile::open(file.path()).unwrap());
    let options = LoadOptions {
        path: ComputePath::Emulated(5),
        ..LoadOptions::default()
    };
    let network = load(&file, &options, &|_| {}).unwrap();
    for (temperature, top_k) in [(0.0, 40), (0.2, 40), (1.5, 40), (1.5, 0)] {
        let sampling = Sampling {
            temperature,
            top_k,
            ..Sampling::default()
        };
        let answer = |whole: bool| {
            let mut sequence = network.clone().sequence(8).unwrap();
            let prompt: Vec<u32> = (0..20).collect();
            let first = sequence.prefill(&prompt, &mut NoHooks).unwrap().unwrap();
            let mut sampler = Sampler::new(&sampling);
            let mut said = vec![sampler.draw(first.into(), &[]).unwrap()];
            for _ in 0..15 {
                let token = said[said.len() - 1];
                let rows = sequence.verify(&[token], &|| false).unwrap().unwrap();
                sequence.settle(1).unwrap();
                let logits = rows.into_iter().next().unwrap().unwrap();
                assert!(logits.best().is_some());
                let logits = match whole {
                    true => logits.whole().unwrap().into(),
                    false => logits,
                };
                said.push(sampler.draw(logits, &said).unwrap());
            }
            said
        };
        assert_eq!(answer(false), answer(true), "{temperature} {top_k}");
    }
}
