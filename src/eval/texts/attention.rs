//! What a window's queries look at, and how much of that a cache does not hold any more.

use crate::engine::lane::Lane;
use crate::model::error::Result;
use crate::policy::{Choice, Needs, Observed, Round};

/// Mean attention of a window's queries to the first tokens of a text.
pub struct Attention {
    /// Of each layer that a policy bounds, its number and what it looks at.
    layers: Vec<(usize, Seen)>,
}

/// What a layer looks at; as a round, one that only looks.
#[derive(Default)]
struct Seen {
    needs: Needs,
    /// Per KV head, by position.
    weights: Vec<Vec<f32>>,
    /// Query heads to a KV head.
    group: usize,
    /// `C`: the length of the longest value behind the output projection, where that was asked for.
    longest: f32,
}

impl Round for Seen {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn observe(&mut self, _layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let lengths = heads.iter().flat_map(|head| &head.projected);
        self.longest = lengths.copied().fold(0.0, f32::max);
        self.group = heads.first().map_or(1, |head| head.group);
        self.weights = heads.into_iter().map(|head| head.scores.mean).collect();
        Vec::new()
    }
}

impl Attention {
    /// Of the queries that the window of a lane holds which has lost nothing, to its first `len` tokens.
    pub fn of(lane: &Lane, len: usize) -> Result<Attention> {
        Attention::with(Needs::NONE, lane, len)
    }

    /// The same, with what [`Attention::bounds`] wants.
    pub fn with_lengths(lane: &Lane, len: usize) -> Result<Attention> {
        let needs = Needs {
            projected: true,
            ..Needs::NONE
        };
        Attention::with(needs, lane, len)
    }

    fn with(needs: Needs, lane: &Lane, len: usize) -> Result<Attention> {
        let layers = lane.layers();
        let shapes = layers.description().layers.iter().enumerate();
        let growing = shapes.filter(|(_, shape)| shape.grows());
        let mut out = Vec::new();
        for (index, (layer, _)) in growing.enumerate() {
            let mut seen = Seen {
                needs,
                ..Seen::default()
            };
            layers.select(layer, index, &mut seen)?;
            for weights in &mut seen.weights {
                weights.truncate(len);
            }
            out.push((layer, seen));
        }
        Ok(Attention { layers: out })
    }

    /// The weight of what `lane` does not hold, the mean over layers and heads.
    pub fn lost(&self, lane: &Lane) -> f64 {
        self.mean(lane, |missing, _| missing)
    }

    /// The share of all weight that what `lane` holds has, the mean over layers and heads.
    pub fn retained(&self, lane: &Lane) -> f64 {
        self.mean(lane, |missing, all| match all > 0.0 {
            true => 1.0 - missing / all,
            false => 1.0,
        })
    }

    /// The paper's bound on `‖y − ŷ‖₁` of each layer where `lane` is what was kept of the window's last query's
    /// cache: `ε = 2hC − 2C·Σ A`, the sum over the kept entries of all `h` query heads, and so `2C` times what they
    /// lost of `h`. Here `C` is averaged over the query heads that share a value.
    pub fn bounds(&self, lane: &Lane) -> impl Iterator<Item = f64> {
        self.layers.iter().map(|(layer, seen)| {
            let heads = seen.weights.iter().enumerate();
            let lost = heads.map(|(head, weights)| {
                let held = lane.layers().positions(*layer, head);
                missing(weights, held)
            });
            2.0 * f64::from(seen.longest) * seen.group as f64 * lost.sum::<f64>()
        })
    }

    fn mean(&self, lane: &Lane, of: impl Fn(f64, f64) -> f64) -> f64 {
        let (mut sum, mut n) = (0.0, 0usize);
        for (layer, seen) in &self.layers {
            for (head, weights) in seen.weights.iter().enumerate() {
                let held = lane.layers().positions(*layer, head);
                let all = weights.iter().map(|&w| f64::from(w)).sum();
                sum += of(missing(weights, held), all);
                n += 1;
            }
        }
        sum / n.max(1) as f64
    }

    /// The layers that were looked at.
    pub fn layers(&self) -> impl Iterator<Item = usize> {
        self.layers.iter().map(|(layer, _)| *layer)
    }
}

/// The weights of positions that are not among `held`, ascending.
fn missing(weights: &[f32], held: &[u32]) -> f64 {
    let mut held = held.iter().map(|&p| p as usize).peekable();
    let mut sum = 0.0;
    for (position, &weight) in weights.iter().enumerate() {
        while held.next_if(|&p| p < position).is_some() {}
        if held.peek() != Some(&position) {
            sum += f64::from(weight);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_once() {
        let weights = [0.5, 0.25, 0.125, 0.0625];
        assert_eq!(missing(&weights, &[0, 1, 2, 3, 9]), 0.0);
        assert_eq!(missing(&weights, &[]), 0.9375);
        assert_eq!(missing(&weights, &[1, 3]), 0.625);
        assert_eq!(missing(&weights, &[0, 4, 5]), 0.4375);
    }
}
