//! Two scores after one another: what surrounds the strongest attention, which answers that stand in one place need,
//! and what the window looks at on the whole, which answers that are put together from many places need.

use super::{Needs, Observed, Params, Reach, Score, Window};

/// A head's first part goes by the reach score, which also says what the head is given, the rest by the window's mean
/// attention, max-pooled as SnapKV's. One score alone fills the budget with what it knows: the surroundings of peaks
/// crowd out places that are looked at weakly, and the mean those that one query looks at.
#[derive(Debug)]
pub struct Blend {
    first: Reach,
}

impl Blend {
    /// Half and half.
    pub const LONG: Blend = Blend { first: Reach::LONG };
    /// The same with a reach of twenty.
    pub const NEAR: Blend = Blend { first: Reach::WIDE };
}

impl Score for Blend {
    fn needs(&self) -> Needs {
        self.first.needs()
    }

    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        self.first.of(head, evictable, params)
    }

    fn second(&self, head: &Observed, worth: &[f32], params: &Params) -> Vec<f32> {
        Window.of(head, worth.len(), params)
    }
}
