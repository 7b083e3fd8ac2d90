//! Puts what a sequence computes into its archive.

use std::sync::Arc;

use crate::archive::{Archive, Past};
use crate::cache::{PAGE, State, Store};
use crate::model::error::Result;

/// Tokens that wait for the end of the answer at most: then they are written on its way.
const WAITING: usize = 8 * PAGE;

/// Keeps what was decoded until it is archived: entries of layers with a window are taken over
/// before they leave it.
pub(super) struct Archiver<S> {
    pub archive: Arc<Archive>,
    /// Found for tokens that are about to be read.
    found: Option<(Vec<u32>, Past)>,
    /// Where `tails` begin, a multiple of a page: what stands before is archived.
    boundary: usize,
    /// Positions that are archived.
    archived: usize,
    /// Of each layer, its entries from `boundary` on, as far as they were taken over.
    tails: Vec<S>,
}

impl<S: Store> Archiver<S> {
    /// Of a sequence without tokens, whose empty layers these are.
    pub fn new(archive: Arc<Archive>, layers: Vec<S>) -> Self {
        Archiver {
            archive,
            found: None,
            boundary: 0,
            archived: 0,
            tails: layers,
        }
    }

    /// What is archived of `tokens`.
    pub fn look_up(&mut self, tokens: &[u32]) -> &Past {
        let past = self.archive.find(tokens);
        &self.found.insert((tokens.to_vec(), past)).1
    }

    /// What is archived of them.
    pub fn found(&mut self, tokens: &[u32]) -> Past {
        let found = self.found.take().filter(|(of, _)| of == tokens);
        match found {
            Some((_, past)) => past,
            None => self.archive.find(tokens),
        }
    }

    /// Goes on behind `archived` positions of which `tails` hold those behind the last whole page.
    pub fn begin(&mut self, archived: usize, tails: Vec<S>) {
        self.archived = archived;
        self.boundary = archived / PAGE * PAGE;
        self.tails = tails;
    }

    /// Nothing is archived before [`Archiver::begin`], and so nothing kept for it.
    pub fn forget(&mut self) {
        self.tails = Vec::new();
    }

    /// Takes over what a layer holds behind what was taken before.
    pub fn capture(&mut self, layer: usize, held: &S) -> Result<()> {
        let Some(tail) = self.tails.get_mut(layer) else {
            return Ok(());
        };
        let taken = tail.lens().into_iter().min().unwrap_or(0);
        let new = held.since(self.boundary + taken);
        if new.iter().any(|head| !head.is_empty()) {
            *tail = tail.put_back(&held.gather(&new)?)?;
        }
        Ok(())
    }

    /// In how many tokens behind `position` ones that is; `None` where it was before.
    pub fn due_in(&self, position: usize) -> Option<usize> {
        (self.archived + WAITING)
            .checked_sub(position)
            .filter(|left| *left > 0)
    }

    /// Whether so much of `position` tokens is not archived that it should be written now.
    pub fn is_due(&self, position: usize) -> bool {
        position >= self.archived + WAITING
    }

    /// Archives what was taken over of every layer, or its state; `tokens` are all there are, from the
    /// first on.
    pub fn write(&mut self, tokens: &[u32], states: &[&State<S::Numbers>]) -> Result<()> {
        if tokens.len() <= self.archived || self.tails.is_empty() {
            return Ok(());
        }
        let mut snapshots = Vec::new();
        if states.iter().any(|state| state.exists()) {
            snapshots.push(tokens.len());
        }
        let mut recording = self.archive.record(tokens, self.boundary, &snapshots);
        for (l, (tail, state)) in self.tails.iter().zip(states).enumerate() {
            recording.layer(
                l,
                match state.exists() {
                    true => vec![vec![state.page()?]],
                    false => tail.export(0)?,
                },
            );
        }
        recording.commit();
        let boundary = tokens.len() / PAGE * PAGE;
        let rest = |tail: &S| tail.gather(&tail.since(boundary));
        self.tails = self
            .tails
            .iter()
            .map(rest)
            .collect::<std::result::Result<_, _>>()?;
        (self.archived, self.boundary) = (tokens.len(), boundary);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
