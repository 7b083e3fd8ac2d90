//! What a network computes of a prompt, an eviction and an answer.

use std::sync::Arc;

use crate::model::error::Result;
use crate::model::{Layers, Network, NoHooks};
use crate::policy::{Choice, Needs, Observed, Round};

const WINDOW: usize = 16;
/// Tokens of the prompt: some tiles of attention, and the last of them not full.
const PROMPT: usize = 200;
/// Entries behind this are kept, of those before some.
const RECENT: u32 = 176;
/// Tokens that are decoded, the last ones by what was recorded of the first.
const DECODED: u32 = 8;

/// The logits of every step, and the window's scores of every head.
pub struct Trace {
    logits: Vec<Vec<f32>>,
    scores: Vec<Vec<f32>>,
}

impl Trace {
    /// A prompt through everything that a network does.
    pub fn of(network: Arc<dyn Network>) -> Result<Trace> {
        let mut sequence = network.sequence(WINDOW)?;
        let tokens: Vec<u32> = (0..PROMPT).map(|i| (i * 37 % 251) as u32).collect();
        let prompt = sequence.prefill(&tokens, &mut NoHooks)?;
        let mut logits = vec![prompt.unwrap_or_default()];
        let mut looks = Looks::default();
        looks.at(&*sequence)?;
        // Ragged: each head keeps other numbers of entries.
        for layer in 0..sequence.count() {
            let lens = sequence.lens(layer).into_iter().zip(2u32..);
            let kept = lens.map(|(len, every)| {
                let kept = |i: &u32| *i >= RECENT || i % every != 1;
                (0..len as u32).filter(kept).collect()
            });
            sequence.keep(layer, &kept.collect::<Vec<_>>())?;
        }
        for token in 0..DECODED {
            logits.push(sequence.decode(token * 11, &|| false)?.unwrap_or_default());
        }
        looks.at(&*sequence)?;
        Ok(Trace {
            logits,
            scores: looks.0,
        })
    }

    /// The largest difference of the logits.
    pub fn logits_off(&self, exact: &Trace) -> f32 {
        off(&self.logits, &exact.logits)
    }

    /// The largest difference of the scores.
    pub fn scores_off(&self, exact: &Trace) -> f32 {
        off(&self.scores, &exact.scores)
    }
}

/// Notes the scores of all that it is shown.
#[derive(Default)]
struct Looks(Vec<Vec<f32>>);

impl Looks {
    fn at(&mut self, layers: &dyn Layers) -> Result<()> {
        (0..layers.count()).try_for_each(|layer| layers.select(layer, layer, self).map(drop))
    }
}

impl Round for Looks {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let scores = heads.into_iter().map(|head| head.scores);
        self.0.extend(scores.flat_map(|s| [s.mean, s.peak]));
        Vec::new()
    }
}

/// The largest difference, each by the largest number of its row; without bound where rows are missing or
/// hold no numbers.
fn off(found: &[Vec<f32>], exact: &[Vec<f32>]) -> f32 {
    if found.len() != exact.len() {
        return f32::INFINITY;
    }
    let rows = found.iter().zip(exact);
    rows.map(|(a, b)| row_off(a, b)).fold(0.0, f32::max)
}

fn row_off(found: &[f32], exact: &[f32]) -> f32 {
    let largest = exact.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let finite = found.iter().chain(exact).all(|x| x.is_finite());
    if found.len() != exact.len() || !finite || largest == 0.0 {
        return f32::INFINITY;
    }
    let differences = found.iter().zip(exact).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max) / largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_no_number_is_off_without_bound() {
        let exact = [vec![2.0, -4.0], vec![1.0]];
        assert_eq!(off(&exact, &exact), 0.0);
        assert_eq!(off(&[vec![2.0, -3.0], vec![1.0]], &exact), 0.25);
        assert_eq!(off(&[vec![2.0, -4.0], vec![1.5]], &exact), 0.5);
        for wrong in [
            vec![vec![2.0, -4.0]],
            vec![vec![2.0], vec![1.0]],
            vec![vec![2.0, f32::NAN], vec![1.0]],
        ] {
            assert_eq!(off(&wrong, &exact), f32::INFINITY);
        }
    }
}
