//! Key norms (Devoto et al., arXiv 2406.11430): keys of a low norm draw attention, whoever asks.

use super::{Needs, Observed, Params, Score, Window};

/// `−‖k‖₂`. RoPE turns keys and leaves their norms.
#[derive(Debug)]
pub struct KeyNorm;

impl Score for KeyNorm {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let rows = head.keys.chunks_exact(head.head_dim.max(1));
        let norm = |key: &[f32]| -key.iter().map(|x| x * x).sum::<f32>().sqrt();
        let mut worth: Vec<f32> = rows.take(evictable).map(norm).collect();
        worth.resize(evictable, f32::NEG_INFINITY);
        worth
    }

    /// It asks no attention.
    fn judge(&self) -> Option<&'static dyn Score> {
        Some(&Window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_are_worth_most() {
        let head = Observed {
            positions: (0..3).collect(),
            keys: vec![3.0, 4.0, 0.0, 1.0, 6.0, 8.0],
            head_dim: 2,
            ..Observed::default()
        };
        let worth = KeyNorm.of(&head, 3, &Params::default());
        assert_eq!(worth, [-5.0, -1.0, -10.0]);
    }
}
