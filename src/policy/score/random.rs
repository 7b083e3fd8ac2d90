//! A random sample of the tokens, the same in every head: the floor that a policy has to beat.

use super::{Observed, Params, Score};
use crate::random;

/// Mixed with the position, so that the sample is not the generator's most ordinary one.
const SEED: u64 = 0x5eed_ca5e_0f5e_ed01;

/// Every token is worth a number that has nothing to do with it. It is that of its position alone, so that
/// an eviction while decoding keeps a part of what the one before kept.
#[derive(Debug)]
pub struct Random;

impl Score for Random {
    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let worth = |&position: &u32| {
            let drawn = random::Random::nth(SEED, u64::from(position));
            (drawn >> 40) as f32
        };
        let positions = &head.positions[..evictable.min(head.positions.len())];
        let mut worth: Vec<f32> = positions.iter().map(worth).collect();
        worth.resize(evictable, 0.0);
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_worth_the_same_wherever_it_stands_and_the_sample_is_even() {
        let of = |positions: Vec<u32>| {
            let count = positions.len();
            let head = Observed {
                positions,
                ..Observed::default()
            };
            Random.of(&head, count, &Params::default())
        };
        let all = of((0..4000).collect());
        assert_eq!(of(vec![7, 900, 3999]), [all[7], all[900], all[3999]]);
        let half = (1u32 << 23) as f32;
        for part in all.chunks(1000) {
            let high = part.iter().filter(|&&w| w > half).count();
            assert!((430..570).contains(&high), "{high}");
        }
    }
}
