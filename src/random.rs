//! A seeded generator of numbers, the same on every machine (SplitMix64).

pub struct Random(u64);

/// How far the state goes for a number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's last step: a number for a number, without order.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// One of its own for every list of `parts`.
    pub fn of(seed: u64, parts: &[&str]) -> Random {
        let mut state = mixed(seed);
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                state = mixed(state ^ u64::from(byte)).wrapping_add(STEP);
            }
        }
        Random(state)
    }

    /// The `n`th number of a seed, counted from 1, without those before it.
    pub fn nth(seed: u64, n: u64) -> u64 {
        mixed(seed.wrapping_add(n.wrapping_mul(STEP)))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// Evenly from `0..n`; `n` at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n.max(1) as u64) as usize
    }

    /// Evenly from 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Mean 0, variance 1 (twelve uniforms).
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    /// One of a list that is not empty.
    pub fn pick<'l, T: ?Sized>(&mut self, all: &[&'l T]) -> &'l T {
        all[self.below(all.len())]
    }

    /// Every order is as likely as any other.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }

    /// `count` different numbers below `n`, ascending; all of them where there are no more.
    pub fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_others_do_not() {
        let draw = |mut random: Random| -> Vec<usize> { random.sample(1000, 5) };
        assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
        assert_ne!(
            draw(Random::of(7, &["a", "b"])),
            draw(Random::of(7, &["ab", ""]))
        );
        let mut all: Vec<u32> = (0..50).collect();
        Random::new(1).shuffle(&mut all);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert_eq!(Random::new(1).sample(3, 9), [0, 1, 2]);
        let mut random = Random::new(9);
        let third = (0..3).map(|_| random.next_u64()).last();
        assert_eq!(Some(Random::nth(9, 3)), third);
    }
}
