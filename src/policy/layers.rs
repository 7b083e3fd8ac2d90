//! How many entries each layer may keep.

/// The layers' totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerBudget {
    /// No layer is ever evicted.
    Unbounded,
    /// The same for every layer.
    Flat,
    /// PyramidKV: more for the early layers, less for the late ones, the same in sum.
    Pyramid,
}

/// Steepness `β` of the pyramid.
const BETA: usize = 20;

impl LayerBudget {
    /// Entries per KV head that layer `layer` of `layers` keeps *besides* the window, `base_l`.
    ///
    /// `base` is `B − w`; `seen` is `N − w`, the tokens so far outside the window.
    pub fn base(self, base: usize, seen: usize, layer: usize, layers: usize) -> usize {
        if self != LayerBudget::Pyramid || layers < 2 {
            return base;
        }
        let mut min = base / BETA;
        let twice = base.saturating_mul(2);
        let mut max = twice - min;
        if max >= seen {
            max = seen;
            min = twice.saturating_sub(max);
        }
        if min >= max {
            return base;
        }
        max - layer * ((max - min) / (layers - 1))
    }

    /// Whether the cache is bounded at all.
    pub fn bounded(self) -> bool {
        self != LayerBudget::Unbounded
    }

    /// Whether a layer's `evictable` entries need no eviction to fit its total (step 5).
    ///
    /// A pyramid's first layers are given exactly what there is when the text is shorter than they
    /// want; the safeguard's rounding then takes an entry of each head, in the authors' code and
    /// here.
    pub fn fits(self, evictable: usize, total: usize) -> bool {
        match self {
            LayerBudget::Unbounded => true,
            LayerBudget::Flat => evictable <= total,
            LayerBudget::Pyramid => evictable < total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pyramid_falls_with_depth_and_keeps_the_total() {
        let (base, layers) = (224, 30);
        let per_layer: Vec<usize> = (0..layers)
            .map(|l| LayerBudget::Pyramid.base(base, 3967, l, layers))
            .collect();
        assert_eq!(per_layer[0], 2 * 224 - 11);
        assert!(per_layer.windows(2).all(|p| p[0] > p[1]));
        let mean = per_layer.iter().sum::<usize>() as f64 / layers as f64;
        assert!((mean - base as f64).abs() < layers as f64 / 2.0, "{mean}");
    }

    #[test]
    fn a_pyramid_wider_than_the_text_is_cut_at_the_text() {
        assert_eq!(LayerBudget::Pyramid.base(224, 268, 0, 30), 268);
        assert_eq!(LayerBudget::Pyramid.base(224, 268, 29, 30), 268 - 29 * 3);
        let all_fits = LayerBudget::Pyramid.base(224, 100, 5, 30);
        assert_eq!(all_fits, 224);
        // Nor is there an end to what a size may come to.
        assert_eq!(
            LayerBudget::Pyramid.base(usize::MAX, 100, 5, 30),
            usize::MAX
        );
    }
}
