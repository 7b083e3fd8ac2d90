//! What an entry is worth: one file each. A score is a function of what it says it [`Needs`].

mod around;
pub mod blend;
pub mod change;
pub mod critical;
pub mod defensive;
pub mod expected;
pub mod key_norm;
pub mod random;
pub mod reach;
pub mod recency;
#[cfg(test)]
mod restated;
pub mod tova;
pub mod window;

pub use blend::Blend;
pub use change::Change;
pub use critical::Critical;
pub use defensive::Defensive;
pub use expected::Expected;
pub use key_norm::KeyNorm;
pub use random::Random;
pub use reach::Reach;
pub use recency::Recency;
pub use tova::Tova;
pub use window::Window;

use super::{Needs, Observed, Params};

/// A score per entry of a KV head.
pub trait Score: std::fmt::Debug + Send + Sync {
    /// What [`Score::of`] reads besides the window's mean attention and the positions.
    fn needs(&self) -> Needs {
        Needs::NONE
    }

    /// The worth of the head's first `evictable` entries (all but the observation window), the
    /// higher the better; `[evictable]`.
    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32>;

    /// By what a head chooses the rest of what it is given, once the best by `worth`, which is
    /// [`Score::of`], have the first part: `[worth.len()]`; nothing where one measure chooses all. See
    /// [`choose`](super::choose).
    fn second(&self, _head: &Observed, _worth: &[f32], _: &Params) -> Vec<f32> {
        Vec::new()
    }

    /// The first part where there is a second: how many of the `k` entries that a head is given. Neither it
    /// nor what it leaves falls as `k` grows.
    fn firsts(&self, k: usize) -> usize {
        k / 2
    }

    /// The score that uniform budgets are judged by beside this one: its own, unless it asks no
    /// attention and so cannot say what uniform budgets would hold of it.
    fn judge(&self) -> Option<&'static dyn Score> {
        None
    }
}
