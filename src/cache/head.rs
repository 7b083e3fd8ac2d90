//! The entries of one KV head: its own number of them, each with its position.

use std::sync::Arc;

use super::layer::in_order;
use super::page::{KvElement, PAGE, Page, PageBytes};

/// One KV head's entries in position order, in pages, so that appending copies nothing.
///
/// A clone shares its pages until one side writes (and then copies that page alone): a prefill
/// works on a clone and is dropped or kept as a whole.
#[derive(Clone, Debug)]
pub struct Head<T> {
    head_dim: usize,
    positions: Vec<u32>,
    pages: Vec<Page<T>>,
}

impl<T: KvElement> Head<T> {
    pub fn new(head_dim: usize) -> Self {
        Head {
            head_dim,
            positions: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Original token positions of the entries, ascending.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Pages of [`PAGE`] entries; the last may be partly used.
    pub fn pages(&self) -> &[Page<T>] {
        &self.pages
    }

    /// Appends one entry; `key` (after RoPE) and `value` are `[head_dim]`.
    pub fn append(&mut self, position: u32, key: &[f32], value: &[f32]) {
        let slot = self.next_slot();
        if let Some(page) = self.pages.last_mut() {
            page.write(slot, key, value);
        }
        self.positions.push(position);
    }

    /// The entries at `indices` (ascending), bit for bit, in a store of its own.
    pub fn gather(&self, indices: &[u32]) -> Self {
        let mut out = Head::new(self.head_dim);
        out.positions.reserve_exact(indices.len());
        for &i in indices {
            let i = i as usize;
            let slot = out.next_slot();
            if let (Some(to), Some(from)) = (out.pages.last_mut(), self.pages.get(i / PAGE)) {
                to.copy_slot(slot, from, i % PAGE, self.head_dim);
            }
            out.positions.push(self.positions[i]);
        }
        out
    }

    /// The entries of both, in position order; where both hold a position, this head's.
    pub fn put_back(&self, other: &Self) -> Self {
        let mut out = Head::new(self.head_dim);
        for (of_other, i) in in_order(&self.positions, &other.positions) {
            let (from, i) = (if of_other { other } else { self }, i as usize);
            let slot = out.next_slot();
            if let (Some(to), Some(page)) = (out.pages.last_mut(), from.pages.get(i / PAGE)) {
                to.copy_slot(slot, page, i % PAGE, self.head_dim);
            }
            out.positions.push(from.positions[i]);
        }
        out
    }

    /// All keys after RoPE in f32, `[len, head_dim]`.
    pub fn keys(&self) -> Vec<f32> {
        let mut keys = Vec::with_capacity(self.len() * self.head_dim);
        for i in 0..self.len() {
            let page = self.pages[i / PAGE].keys()[i % PAGE..].iter();
            keys.extend(page.step_by(PAGE).map(|x| x.to_f32()));
        }
        keys
    }

    /// All values in f32, `[len, head_dim]`.
    pub fn values(&self) -> Vec<f32> {
        let all = self.pages.iter().flat_map(|p| p.values());
        let used = self.len() * self.head_dim;
        all.take(used).map(|x| x.to_f32()).collect()
    }

    /// Drops all entries after the first `len`. Of a page that nobody shares their numbers go, too.
    pub fn truncate(&mut self, len: usize) {
        let before = self.len();
        self.positions.truncate(len);
        self.pages.truncate(len.div_ceil(PAGE));
        if let Some(page) = self.pages.last_mut().filter(|_| !len.is_multiple_of(PAGE)) {
            let used = before - (len - len % PAGE);
            page.clear(len % PAGE..used.clamp(len % PAGE, PAGE), self.head_dim);
        }
    }

    /// Its pages from entry `first` on, a multiple of [`PAGE`].
    pub fn export(&self, first: usize) -> Vec<Arc<PageBytes>> {
        let pages = self.pages.iter().skip(first / PAGE);
        pages.map(|page| page.bytes().clone()).collect()
    }

    /// A head that holds the first `len` positions, from their pages. Nothing is copied.
    pub fn import(head_dim: usize, pages: Vec<Arc<PageBytes>>, len: usize) -> Self {
        Head {
            head_dim,
            positions: (0..len as u32).collect(),
            pages: pages.into_iter().map(Page::of).collect(),
        }
    }

    /// Takes pages that were lent into memory of its own.
    pub fn detach(&mut self) {
        self.pages.iter_mut().for_each(Page::detach);
    }

    /// Bytes of keys and values in use: entries × 2 × head_dim × element size.
    pub fn used_bytes(&self) -> usize {
        self.len() * 2 * self.head_dim * std::mem::size_of::<T>()
    }

    /// Bytes of the buffers that hold them.
    pub fn allocated_bytes(&self) -> usize {
        self.pages.iter().map(|p| p.allocated_bytes()).sum()
    }

    /// Bytes of this head's buffers that `other` does not share.
    pub fn own_bytes(&self, other: &Self) -> usize {
        let shared = |i: usize, page: &Page<T>| other.pages.get(i).is_some_and(|p| p.shares(page));
        let pages = self.pages.iter().enumerate();
        pages
            .filter(|(i, p)| !shared(*i, p))
            .map(|(_, p)| p.allocated_bytes())
            .sum()
    }

    /// Slot of the next entry in the last page, adding a page when the last is full.
    fn next_slot(&mut self) -> usize {
        let slot = self.len() % PAGE;
        if slot == 0 && self.pages.len() * PAGE == self.len() {
            self.pages.push(Page::new(self.head_dim));
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn head(len: usize) -> Head<f16> {
        let mut head = Head::new(4);
        for i in 0..len {
            let x = i as f32;
            head.append(i as u32 * 3, &[x, 0.0, 0.0, -x], &[0.5, x, 0.0, 0.0]);
        }
        head
    }

    fn entry(head: &Head<f16>, i: usize) -> (u32, f32, f32) {
        let page = &head.pages()[i / PAGE];
        let slot = i % PAGE;
        let key = page.keys()[3 * PAGE + slot].to_f32();
        (
            head.positions()[i],
            key,
            page.values()[slot * 4 + 1].to_f32(),
        )
    }

    #[test]
    fn gathering_keeps_entries_and_their_positions_and_gives_the_rest_back() {
        let head = head(3 * PAGE + 5);
        let kept: Vec<u32> = vec![0, 63, 64, 130, 196];
        let small = head.gather(&kept);
        for (to, &from) in kept.iter().enumerate() {
            assert_eq!(entry(&small, to), entry(&head, from as usize));
        }
        assert_eq!(small.used_bytes(), 5 * 2 * 4 * 2);
        assert_eq!(small.allocated_bytes(), PAGE * 2 * 4 * 2);
        assert_eq!(head.allocated_bytes(), 4 * PAGE * 2 * 4 * 2);
    }

    #[test]
    fn what_was_taken_out_can_be_put_back() {
        let whole = head(2 * PAGE + 9);
        let (odd, even): (Vec<u32>, Vec<u32>) =
            (0..whole.len() as u32).partition(|i| i % 2 == 1 || *i < 5);
        let again = whole.gather(&odd).put_back(&whole.gather(&even));
        assert_eq!(again.positions(), whole.positions());
        assert_eq!(again.keys(), whole.keys());
        assert_eq!(again.values(), whole.values());
        let twice = again.put_back(&whole.gather(&[0, 70]));
        assert_eq!(twice.positions(), whole.positions());
    }

    #[test]
    fn a_clone_that_grows_leaves_the_original_as_it_was_and_copies_one_page() {
        let before = head(2 * PAGE + 10);
        let mut staged = before.clone();
        assert_eq!(staged.own_bytes(&before), 0);
        staged.append(999, &[9.0; 4], &[9.0; 4]);
        assert_eq!(before.len(), 2 * PAGE + 10);
        assert_eq!(staged.own_bytes(&before), PAGE * 2 * 4 * 2);
        assert_eq!(before.pages()[2].keys()[3 * PAGE + 10], f16::ZERO);
    }

    #[test]
    fn appending_never_moves_what_is_held() {
        let mut head = head(PAGE);
        let at = head.pages()[0].keys().as_ptr();
        for i in 0..5 * PAGE {
            head.append(i as u32, &[0.0; 4], &[0.0; 4]);
        }
        assert_eq!(head.pages()[0].keys().as_ptr(), at);
    }

    #[test]
    fn truncating_takes_back_the_last_entries() {
        let mut head = head(PAGE + 1);
        head.truncate(PAGE);
        assert_eq!((head.len(), head.pages().len()), (PAGE, 1));
        head.append(7, &[1.0; 4], &[2.0; 4]);
        assert_eq!(entry(&head, PAGE), (7, 1.0, 2.0));
    }

    #[test]
    fn what_is_truncated_leaves_nothing_in_a_page_of_its_own() {
        let before = head(PAGE + 3);
        let mut after = before.clone();
        for i in 0..PAGE {
            after.append(900 + i as u32, &[1.0; 4], &[2.0; 4]);
        }
        after.truncate(PAGE + 3);
        assert_eq!(after.positions(), before.positions());
        assert_eq!(after.allocated_bytes(), before.allocated_bytes());
        let bytes = |head: &Head<f16>| -> Vec<Vec<u8>> {
            let pages = head.pages().iter();
            pages.map(|p| p.bytes().as_slice().to_vec()).collect()
        };
        assert_eq!(bytes(&after), bytes(&before));
        // A page that is shared stays as it is.
        let mut shorter = before.clone();
        shorter.truncate(PAGE + 1);
        assert_eq!(shorter.own_bytes(&before), 0);
    }
}
