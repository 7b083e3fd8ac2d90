//! CriticalKV (arXiv 2502.03805): what a head's output loses with an entry is bounded by its attention times
//! how long its value is behind the output projection, provided that most of the attention is kept.

use super::{Needs, Observed, Params, Score, Window};

/// In two stages. `ā`, the window's mean attention, max-pooled as SnapKV's, decides what a head is given, and
/// has half of that. The rest goes by `(ā + ε) · ‖W v‖₁`, where `W v` is the value behind the output
/// projection; the norm is averaged over the query heads that share it. The paper's share of the first stage
/// (0.5) and `ε` (1e-4) are those of its authors' code; there the window's entries count as the first stage's,
/// here they are kept beside it.
#[derive(Debug)]
pub struct Critical;

/// `ε`: long values count even where nothing was attended to.
const FLOOR: f32 = 1e-4;

impl Score for Critical {
    fn needs(&self) -> Needs {
        Needs {
            projected: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        Window.of(head, evictable, params)
    }

    fn second(&self, head: &Observed, worth: &[f32], _: &Params) -> Vec<f32> {
        let lengths = head.projected.iter().zip(worth);
        let mut second: Vec<f32> = lengths.map(|(length, w)| (w + FLOOR) * length).collect();
        second.resize(worth.len(), 0.0);
        second
    }
}
