//! One total for the heads of all layers: Ada-KV's allocation with the whole network as its layer.
//!
//! The paper gives a layer's total to its heads; here the layers' totals are one, and the best entries
//! win wherever they sit, with the same floor for every head (the safeguard). Scores are shares of a
//! head's attention, and so can be compared between layers.
//!
//! What is exact needs every layer's scores before the first entry goes. Where entries that are not
//! chosen yet cost nothing (an archive holds them, or the cache is within its bound anyway) the round
//! waits for the last layer. Otherwise it is a cascade: until the last layer was seen, each head keeps
//! its [`CANDIDATES`] × `base` best, so that the cache is never larger than that multiple of its total.

use super::{Adaptive, Allocator, Uniform, within};
use crate::policy::each::each;
use crate::policy::round::{Choice, Round, Selection, Terms};
use crate::policy::top::{choose, top_k};
use crate::policy::{Needs, Observed, Score};

/// What a head may be given at most, and keeps until then, in multiples of the mean.
pub const CANDIDATES: usize = 4;

/// By a top-k over the heads of all layers, with the safeguard.
#[derive(Debug)]
pub struct Pooled;

impl Allocator for Pooled {
    fn shares(&self, worth: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize> {
        Adaptive.shares(worth, base, alpha)
    }

    fn round(&self, terms: Terms) -> Option<Box<dyn Round>> {
        let heads = Vec::new();
        Some(Box::new(Pool { terms, heads }))
    }

    fn pools(&self) -> bool {
        true
    }
}

/// A head's best entries.
struct Candidates {
    layer: usize,
    /// Indices when it was observed, ascending.
    best: Vec<u32>,
    /// What the best of its entries are worth, as many: what it is given follows from them.
    claims: Vec<f32>,
    worth: Vec<f32>,
    second: Vec<f32>,
    /// Share of the window's attention that each holds.
    mass: Vec<f32>,
    /// The window's own entries, from this index on.
    window: std::ops::Range<u32>,
    window_mass: f32,
}

impl Candidates {
    fn of(layer: usize, head: &Observed, terms: &Terms, base: usize) -> Candidates {
        let evictable = head.len().saturating_sub(terms.params.window);
        let worth = terms.score.of(head, evictable, &terms.params);
        let second = terms.score.second(head, &worth, &terms.params);
        let most = base.saturating_mul(CANDIDATES);
        // Also of two measures: whatever share up to all of them is chosen later, it is among them.
        let best = choose(&worth, &second, terms.score.firsts(most), most);
        let claims = top_k(&worth, most);
        let all: f32 = head.scores.mean.iter().sum();
        let share = |i: usize| match head.scores.mean.get(i) {
            Some(mass) if all > 0.0 => mass / all,
            _ => 0.0,
        };
        Candidates {
            layer,
            claims: claims.iter().map(|&i| worth[i as usize]).collect(),
            worth: best.iter().map(|&i| worth[i as usize]).collect(),
            second: best
                .iter()
                .filter_map(|&i| second.get(i as usize).copied())
                .collect(),
            mass: best.iter().map(|&i| share(i as usize)).collect(),
            window: evictable as u32..head.len() as u32,
            window_mass: (evictable..head.len()).map(share).sum(),
            best,
        }
    }

    /// The `cap` best and the window, as indices among all entries or among the candidates, and the
    /// mass that they hold.
    fn keep(&self, score: &dyn Score, cap: usize, among_all: bool) -> (Vec<u32>, f32) {
        let chosen = choose(&self.worth, &self.second, score.firsts(cap), cap);
        let mass: f32 = chosen.iter().map(|&i| self.mass[i as usize]).sum();
        let held = (mass + self.window_mass).min(1.0);
        let (mut kept, window) = match among_all {
            true => {
                let indices = chosen.iter().map(|&i| self.best[i as usize]);
                (indices.collect(), self.window.clone())
            }
            false => {
                let first = self.best.len() as u32;
                let window = first..first + self.window.len() as u32;
                (chosen, window)
            }
        };
        kept.extend(window);
        (kept, held)
    }
}

/// The round: candidates of all heads that were seen.
struct Pool {
    terms: Terms,
    heads: Vec<Candidates>,
}

impl Pool {
    fn base(&self) -> usize {
        let Terms {
            layers,
            params,
            extent,
            ..
        } = self.terms;
        let of_layer = |layer| extent.base(layers, &params, layer);
        let all: usize = (0..extent.layers).map(of_layer).sum();
        all / extent.layers.max(1)
    }
}

impl Round for Pool {
    fn needs(&self) -> Needs {
        self.terms.score.needs()
    }

    fn observe(&mut self, layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let base = self.base();
        let terms = &self.terms;
        let entries = heads.iter().map(Observed::len).sum();
        let judged = each(&heads, entries, |head| {
            let head = Candidates::of(layer, head, terms, base);
            let now = (!terms.extent.waits).then(|| {
                let uniform = head.keep(terms.score, base, true).1;
                (head.keep(terms.score, usize::MAX, true), uniform)
            });
            (head, now)
        });
        let mut selection = Selection::default();
        for (head, now) in judged {
            self.heads.push(head);
            if let Some(((kept, held), uniform)) = now {
                selection.kept.push(kept);
                selection.retained.push(held);
                selection.uniform_retained.push(uniform);
            }
        }
        match self.terms.extent.waits {
            true => Vec::new(),
            false => vec![Choice { layer, selection }],
        }
    }

    fn finish(&mut self) -> Vec<Choice> {
        let base = self.base();
        let heads = std::mem::take(&mut self.heads);
        let worth: Vec<Vec<f32>> = heads.iter().map(|head| head.claims.clone()).collect();
        let alpha = self.terms.params.alpha;
        let caps = within(Adaptive.shares(&worth, base, alpha), &worth);
        let uniform = within(Uniform.shares(&worth, base, alpha), &worth);
        let terms = &self.terms;
        let all: Vec<_> = heads.iter().zip(caps.into_iter().zip(uniform)).collect();
        let entries = heads.iter().map(|head| head.best.len()).sum();
        let chosen = each(&all, entries, |(head, (cap, uniform))| {
            let uniform = head.keep(terms.score, *uniform, true).1;
            (head.keep(terms.score, *cap, terms.extent.waits), uniform)
        });
        let mut choices: Vec<Choice> = Vec::new();
        for (head, ((kept, held), uniform)) in heads.iter().zip(chosen) {
            if choices.last().is_none_or(|last| last.layer != head.layer) {
                choices.push(Choice {
                    layer: head.layer,
                    selection: Selection::default(),
                });
            }
            if let Some(Choice { selection, .. }) = choices.last_mut() {
                selection.kept.push(kept);
                selection.retained.push(held);
                selection.uniform_retained.push(uniform);
            }
        }
        choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Extent, HeadScores, LayerBudget, Params, score::Window};

    fn terms(waits: bool) -> Terms {
        Terms {
            score: &Window,
            layers: LayerBudget::Flat,
            params: Params {
                window: 2,
                kernel: 1,
                alpha: 0.2,
                slack: 4,
            },
            extent: Extent {
                layers: 2,
                position: 40,
                budget: 7,
                waits,
            },
        }
    }

    /// A head whose attention lies on its first `sharp` entries.
    fn head(sharp: usize) -> Observed {
        let mean: Vec<f32> = (0..40)
            .map(|i| if i < sharp { 1.0 } else { 0.01 } / 40.0 - i as f32 * 1e-6)
            .collect();
        Observed {
            positions: (0..40).collect(),
            scores: HeadScores {
                peak: mean.clone(),
                mean,
            },
            ..Observed::default()
        }
    }

    /// What each head keeps in the end, by index when it was observed.
    fn kept(waits: bool) -> Vec<Vec<u32>> {
        let mut round = Pooled.round(terms(waits)).unwrap();
        let layers = [vec![head(1), head(2)], vec![head(3), head(14)]];
        let mut held: Vec<Vec<Vec<u32>>> = vec![vec![(0..40).collect(); 2]; 2];
        let mut apply = |choices: Vec<Choice>| {
            for Choice { layer, selection } in choices {
                for (held, kept) in held[layer].iter_mut().zip(selection.kept) {
                    *held = kept.iter().map(|&i| held[i as usize]).collect();
                }
            }
        };
        for (layer, heads) in layers.into_iter().enumerate() {
            apply(round.observe(layer, heads));
        }
        apply(round.finish());
        held.concat()
    }

    /// 4 heads × 5 entries: the last layer's dispersed head takes what the others do not need, above
    /// a floor of ⌊0.2 × 5⌋ for each.
    #[test]
    fn the_best_entries_win_wherever_they_sit() {
        let lens: Vec<usize> = kept(true).iter().map(|head| head.len() - 2).collect();
        // Counts 1, 2, 3, 14 of the 20 best, × 0.8 + 1.
        assert_eq!(lens, [2, 3, 3, 12]);
    }

    #[test]
    fn the_cascade_keeps_what_waiting_keeps() {
        assert_eq!(kept(false), kept(true));
    }
}
