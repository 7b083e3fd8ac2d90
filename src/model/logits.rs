//! The logits of a next token: a row of numbers, or the largest of them where the row is on a device.

use super::error::Result;

/// `[vocabulary]`
pub enum Logits {
    Whole(Vec<f32>),
    /// The row is read when somebody asks for all of it.
    Far(Best, Box<dyn Row>),
}

/// The largest logits of a row, each with its token: the largest first, of equal ones the lowest id.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub tokens: Vec<(f32, u32)>,
    /// No other token has more; `None` where there are no others.
    pub floor: Option<f32>,
}

/// A row on a device.
pub trait Row {
    fn read(self: Box<Self>) -> Result<Vec<f32>>;
}

/// What a device finds in a row.
#[derive(Clone, Debug)]
pub struct Largest {
    /// Ordered as in [`Best`].
    pub found: Vec<(f32, u32)>,
    /// All numbers of the row are.
    pub finite: bool,
}

impl Logits {
    /// The largest, where there is more than is at hand.
    pub fn best(&self) -> Option<&Best> {
        match self {
            Logits::Whole(_) => None,
            Logits::Far(best, _) => Some(best),
        }
    }

    /// All of them.
    pub fn whole(self) -> Result<Vec<f32>> {
        match self {
            Logits::Whole(row) => Ok(row),
            Logits::Far(_, row) => row.read(),
        }
    }
}

impl From<Vec<f32>> for Logits {
    fn from(row: Vec<f32>) -> Self {
        Logits::Whole(row)
    }
}

impl Best {
    /// Of a row of `vocabulary` whose numbers go through `scale`, which keeps their order but may make them equal.
    pub fn of(largest: Largest, vocabulary: usize, scale: impl Fn(&mut f32)) -> Best {
        let mut tokens = largest.found;
        tokens.iter_mut().for_each(|(logit, _)| scale(logit));
        tokens.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let last = tokens.last().map(|(logit, _)| *logit);
        Best {
            floor: last.filter(|_| tokens.len() < vocabulary),
            tokens,
        }
    }
}
