//! Entries taken out of a layer and put together again, bit for bit: one launch for all heads.

use std::sync::Arc;

use candle_core::Result;

use super::super::{PAGE, layer::in_order};
use super::PagedLayer;
use super::head::Head;
use crate::gpu::{Gpu, Grid, args, driver::Kernel, driver::Variant, memory::Page};

/// What a place of a new page is filled with where there is nothing.
const NOTHING: u32 = u32::MAX;

/// Entries of new pages: where they come from, among `from`.
#[derive(Default)]
pub(super) struct Plan {
    pub from: Vec<u64>,
    pub index: Vec<u32>,
    pub to: Vec<u64>,
}

impl Plan {
    /// Adds a head's pages, `entries` long, from the pages behind `first` others.
    pub fn head(
        &mut self,
        entries: impl ExactSizeIterator<Item = usize>,
        pages: &[u64],
        first: usize,
    ) {
        let end = self.index.len() + entries.len().next_multiple_of(PAGE);
        self.index
            .extend(entries.map(|i| (first * PAGE + i) as u32));
        self.index.resize(end, NOTHING);
        self.to.extend(pages);
    }

    /// In one launch; what it reads is uploaded first.
    pub fn run(&self, gpu: &Arc<Gpu>, row_bytes: usize) -> Result<()> {
        if self.index.is_empty() {
            return Ok(());
        }
        let mut words = self.from.clone();
        words.extend(&self.to);
        let pair = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair[1]) << 32;
        words.extend(self.index.chunks_exact(2).map(pair));
        let told = gpu.upload(&words)?;
        let arguments = args::Gather {
            from: told.at(),
            to: told.at() + (self.from.len() * 8) as u64,
            index: told.at() + ((self.from.len() + self.to.len()) * 8) as u64,
            count: self.index.len() as u64,
            row_bytes: row_bytes as u32,
            pad: 0,
        };
        let groups = self.index.len().div_ceil(8) as u32;
        gpu.launch(
            Kernel::Gather,
            Variant::Only,
            Grid::of([groups, 1, 1], 256),
            &arguments,
        )
    }
}

impl PagedLayer {
    pub(super) fn gathered(&self, kept: &[Vec<u32>]) -> Result<Self> {
        let entries = kept
            .iter()
            .map(|kept| kept.iter().map(|&i| i as usize).collect());
        self.made_of(&[self], &entries.collect::<Vec<_>>())
    }

    pub(super) fn merged(&self, other: &Self) -> Result<Self> {
        // Places of the other head's entries stand behind all of this one's pages.
        let heads = self.heads.iter().zip(&other.heads);
        let entries = heads.map(|(a, b)| {
            let behind = a.pages.len() * PAGE;
            let order = in_order(&a.positions, &b.positions).into_iter();
            order
                .map(|(of_other, i)| i as usize + if of_other { behind } else { 0 })
                .collect()
        });
        self.made_of(&[self, other], &entries.collect::<Vec<Vec<usize>>>())
    }

    /// Heads of entries that are places in the head's pages in each of `layers`, one behind the other.
    fn made_of(&self, layers: &[&PagedLayer], entries: &[Vec<usize>]) -> Result<Self> {
        let mut plan = Plan::default();
        let mut heads = Vec::with_capacity(entries.len());
        for (h, entries) in entries.iter().enumerate() {
            let first = plan.from.len();
            let sources = layers.iter().map(|layer| &layer.heads[h]);
            let pages = sources.clone().flat_map(|head| &head.pages);
            plan.from.extend(pages.map(|page| page.at()));
            let head = self.new_head(entries.len())?;
            let to: Vec<u64> = head.pages.iter().map(|page| page.at()).collect();
            plan.head(entries.iter().copied(), &to, first);
            let behind = layers[0].heads[h].pages.len() * PAGE;
            let position = |&i: &usize| match layers.get(1) {
                Some(other) if i >= behind => other.heads[h].positions[i - behind],
                _ => layers[0].heads[h].positions[i],
            };
            heads.push(Head {
                positions: entries.iter().map(position).collect(),
                ..head
            });
        }
        plan.run(&self.gpu, self.row_bytes())?;
        self.of(heads)
    }

    /// Pages for so many entries.
    pub(super) fn new_head(&self, len: usize) -> Result<Head> {
        let pages = (0..len.div_ceil(PAGE)).map(|_| self.gpu.page(self.page_bytes()).map(Arc::new));
        Ok(Head {
            positions: Vec::new(),
            pages: pages.collect::<Result<Vec<Arc<Page>>>>()?,
        })
    }
}
