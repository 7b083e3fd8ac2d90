//! What a layer remembers that keeps no entries: numbers, as many for a long text as for a short one.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Result;

use super::page::{HeadPages, PageBytes};

/// One part of a state, as a backend keeps it. A clone shares its numbers, which never change.
pub trait Numbers: Clone + Send + Sync + Debug + 'static {
    fn bytes(&self) -> usize;

    fn to_host(&self) -> Result<Vec<f32>>;
}

/// Host memory.
impl Numbers for Arc<Vec<f32>> {
    fn bytes(&self) -> usize {
        self.len() * size_of::<f32>()
    }

    fn to_host(&self) -> Result<Vec<f32>> {
        Ok(self.to_vec())
    }
}

/// A state in parts: what it is, and what it was a token before, so that one can be taken back.
/// Without parts for layers that have entries.
#[derive(Clone, Debug)]
pub struct State<T> {
    now: Vec<T>,
    before: Option<Vec<T>>,
    /// Tokens it has seen.
    seen: usize,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        State::new(Vec::new(), 0)
    }
}

impl<T> State<T> {
    /// Of `seen` tokens.
    pub fn new(now: Vec<T>, seen: usize) -> Self {
        State {
            now,
            before: None,
            seen,
        }
    }

    pub fn seen(&self) -> usize {
        self.seen
    }

    pub fn exists(&self) -> bool {
        !self.now.is_empty()
    }
}

impl<T: Numbers> State<T> {
    /// The parts as they are, and parts nobody needs any more, whose memory may be used again.
    pub fn parts(&mut self) -> (&[T], Vec<Option<T>>) {
        let spare = self.before.take().map(|parts| parts.into_iter().map(Some));
        let spare = spare.map_or_else(|| vec![None; self.now.len()], Iterator::collect);
        (&self.now, spare)
    }

    /// `tokens` more were seen, and these are the parts behind them.
    pub fn advance(&mut self, parts: Vec<T>, tokens: usize) {
        let before = std::mem::replace(&mut self.now, parts);
        self.before = (tokens == 1).then_some(before);
        self.seen += tokens;
    }

    /// As it was before the last token; once.
    pub fn take_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.now = before;
            self.seen -= 1;
        }
    }

    /// Bytes of it as it is.
    pub fn used_bytes(&self) -> usize {
        self.now.iter().map(Numbers::bytes).sum()
    }

    /// Bytes with what it was.
    pub fn allocated_bytes(&self) -> usize {
        let before = self.before.iter().flatten();
        self.used_bytes() + before.map(Numbers::bytes).sum::<usize>()
    }

    /// As one page: the parts one behind the other, in little-endian bytes.
    pub fn page(&self) -> Result<Arc<PageBytes>> {
        let parts = self.now.iter().map(Numbers::to_host);
        let parts: Vec<Vec<f32>> = parts.collect::<Result<_>>()?;
        let bytes = parts.iter().flatten().flat_map(|x| x.to_le_bytes());
        Ok(Arc::new(PageBytes::of(&bytes.collect::<Vec<u8>>())))
    }
}

/// The parts of a state of parts `lens` long in such a page; `None` where it is not that long.
pub fn parts_of(pages: &[HeadPages], lens: &[usize]) -> Option<Vec<Vec<f32>>> {
    let [page] = pages.first()?.as_slice() else {
        return None;
    };
    let mut bytes = page.as_slice();
    let mut parts = Vec::with_capacity(lens.len());
    for len in lens {
        let part = bytes.split_off(..len * size_of::<f32>())?;
        let numbers = part.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x));
        parts.push(numbers.collect());
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_taken_back_and_a_page_gives_the_parts_again() {
        let part = |x: f32| vec![Arc::new(vec![x; 3]), Arc::new(vec![x + 0.5])];
        let mut state = State::new(part(1.0), 4);
        state.advance(part(2.0), 1);
        assert_eq!((state.seen(), state.used_bytes()), (5, 16));
        assert_eq!(state.allocated_bytes(), 32);
        state.take_back();
        state.take_back();
        assert_eq!((state.seen(), state.allocated_bytes()), (4, 16));
        let pages = [vec![state.page().unwrap()]];
        let parts = parts_of(&pages, &[3, 1]).unwrap();
        assert_eq!(parts, [vec![1.0; 3], vec![1.5]]);
        assert!(parts_of(&pages, &[3, 10]).is_none());
        // Many tokens cannot be taken back.
        state.advance(part(3.0), 7);
        state.take_back();
        assert_eq!(state.seen(), 11);
    }
}
