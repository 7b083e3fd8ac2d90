//! How much of the attention to everything that was said a cache still holds.

use super::event::LayerEviction;

/// Of each layer and KV head, the share that is left; a round measures against what the cache held
/// when it began, so that shares of shares are told. Between rounds, what is new counts as held.
#[derive(Clone, Debug, Default)]
pub struct Retained {
    /// `[layer][head]`; 1 where there is none.
    held: Vec<Vec<f32>>,
}

impl Retained {
    /// A round judged everything: what was lost before is not lost any more.
    pub fn renew(&mut self) {
        self.held.clear();
    }

    /// Puts what a round measured into terms of everything that was said.
    pub fn of_all(&mut self, layers: &mut [LayerEviction]) {
        for evicted in layers {
            if self.held.len() <= evicted.layer {
                self.held.resize(evicted.layer + 1, Vec::new());
            }
            let held = &mut self.held[evicted.layer];
            held.resize(evicted.retained.len(), 1.0);
            let heads = evicted
                .retained
                .iter_mut()
                .zip(&mut evicted.uniform_retained);
            for ((retained, uniform), held) in heads.zip(held) {
                *retained *= *held;
                *uniform *= *held;
                *held = *retained;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_twice_is_told_in_full() {
        let round = |retained: f32| {
            [LayerEviction {
                layer: 1,
                retained: vec![retained, 1.0],
                uniform_retained: vec![retained / 2.0, 1.0],
                ..LayerEviction::default()
            }]
        };
        let mut all = Retained::default();
        let (mut first, mut second) = (round(0.8), round(0.5));
        all.of_all(&mut first);
        all.of_all(&mut second);
        assert_eq!(first[0].retained, [0.8, 1.0]);
        assert_eq!(second[0].retained, [0.4, 1.0]);
        assert_eq!(second[0].uniform_retained, [0.2, 1.0]);
        all.renew();
        let mut third = round(0.9);
        all.of_all(&mut third);
        assert_eq!(third[0].retained, [0.9, 1.0]);
    }
}
