//! TOVA (arXiv 2401.06104): what the newest query pays, averaged over heads.

use super::{Needs, Observed, Params, Score};

/// The last query's attention, softmax over the head's entries, averaged over the query heads that share
/// them. The paper averages over all heads of a layer, so that they keep the same tokens; here each KV head
/// keeps its own, as budgets by head ask for. Soft caps and sinks are left out.
#[derive(Debug)]
pub struct Tova;

impl Score for Tova {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            queries: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let size = head.head_dim.max(1);
        let group = head.group.max(1);
        let last = head.queries.len().saturating_sub(group * size);
        let mut worth = vec![0.0; evictable];
        for query in head.queries[last..].chunks_exact(size) {
            let logit = |key: &[f32]| key.iter().zip(query).map(|(k, q)| k * q).sum::<f32>();
            let logits: Vec<f32> = head.keys.chunks_exact(size).map(logit).collect();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = logits.iter().map(|x| (x - most).exp()).sum();
            for (worth, logit) in worth.iter_mut().zip(logits) {
                *worth += (logit - most).exp() / sum / group as f32;
            }
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_query_counts() {
        let head = Observed {
            positions: (0..3).collect(),
            keys: vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            // Two positions of a group of two.
            queries: vec![9.0, 0.0, 9.0, 0.0, 0.0, 2.0, 0.0, 0.0],
            head_dim: 2,
            group: 2,
            ..Observed::default()
        };
        let worth = Tova.of(&head, 2, &Params::default());
        let e = 2.0f32.exp();
        let expected = [
            (1.0 / (e + 2.0) + 1.0 / 3.0) / 2.0,
            (e / (e + 2.0) + 1.0 / 3.0) / 2.0,
        ];
        for (found, expected) in worth.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{worth:?}");
        }
    }
}
