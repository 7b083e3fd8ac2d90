//! A layer's entries on a GPU, driven by our own kernels: pages of 64 entries for each KV head, as on the host, with
//! a table of their addresses that the kernels walk.
//!
//! A page holds keys `[64, head_dim]` and behind them values `[64, head_dim]`. Lengths are on the device as they
//! were at some position; a kernel adds how many came since, so that decoding a token writes nothing but its row.

mod head;
mod moves;
mod pages;
mod ring;
mod table;

use std::sync::Arc;

use candle_core::Result;

use super::{PAGE, Store};
use crate::gpu::{Element, Gpu, args, memory::Page};
use head::Head;
pub use ring::{Ring, RingRow};
use table::Table;

/// One layer's heads; a clone shares their pages.
#[derive(Clone)]
pub struct PagedLayer {
    gpu: Arc<Gpu>,
    element: Element,
    head_dim: usize,
    heads: Vec<Head>,
    /// `None` before the first entry.
    table: Option<Arc<Table>>,
    /// The step of decoding that appended last, or 0.
    step: u64,
}

impl PagedLayer {
    pub fn new(gpu: &Arc<Gpu>, kv_heads: usize, head_dim: usize, element: Element) -> Self {
        PagedLayer {
            gpu: gpu.clone(),
            element,
            head_dim,
            heads: vec![Head::default(); kv_heads],
            table: None,
            step: 0,
        }
    }

    pub fn element(&self) -> Element {
        self.element
    }

    /// The entries of the longest head.
    pub fn longest(&self) -> usize {
        self.heads
            .iter()
            .map(|h| h.positions.len())
            .max()
            .unwrap_or(0)
    }

    /// Makes room for `rows` entries of every head at positions from `start` on, which kernels write then.
    /// Where a step of decoding is open, the kernels find its position on the device.
    pub fn extend(&mut self, start: usize, rows: usize) -> Result<args::Layer> {
        let step = match rows {
            1 => self.gpu.step_at(start as u32),
            _ => None,
        };
        if self.heads.is_empty() {
            return Ok(self.without_entries(step.map(|(_, at)| at), start + rows));
        }
        let new = self.new_pages(rows)?;
        // From here on only the table can fail, and then everything is as it was: what is replaced is
        // remembered, and not the heads, which are as long as the text.
        let mut changed = Vec::with_capacity(new.len());
        let mut replaced = Vec::new();
        for (h, copied, page) in new {
            let pages = &mut self.heads[h].pages;
            if copied && let Some(last) = pages.pop() {
                head::copy(&self.gpu, last.at(), page.at(), self.page_bytes())?;
                replaced.push((h, last));
            }
            changed.push((h, self.heads[h].pages.len()));
            self.heads[h].pages.push(Arc::new(page));
        }
        for head in &mut self.heads {
            head.positions
                .extend((start..start + rows).map(|p| p as u32));
        }
        let place = (start, rows);
        let updated = Table::update(&mut self.table, &self.gpu, &self.heads, &changed, place);
        if let Err(error) = updated {
            for &(h, place) in &changed {
                self.heads[h].pages.truncate(place);
            }
            for (h, last) in replaced {
                self.heads[h].pages.push(last);
            }
            for head in &mut self.heads {
                head.positions.truncate(head.positions.len() - rows);
            }
            self.step = 0;
            return Err(error);
        }
        self.step = step.map_or(0, |(number, _)| number);
        Ok(self.told(step.map(|(_, at)| at)))
    }

    /// The pages that `rows` more entries need: of which head, whether it takes the place of its last one, which
    /// others see and which is copied before it is written to, and the page.
    fn new_pages(&mut self, rows: usize) -> Result<Vec<(usize, bool, Page)>> {
        let bytes = self.page_bytes();
        let mut new = Vec::new();
        for (h, head) in self.heads.iter_mut().enumerate() {
            let len = head.positions.len();
            let seen = |page: &mut Arc<Page>| Arc::get_mut(page).is_none();
            if len % PAGE > 0 && head.pages.last_mut().is_some_and(seen) {
                new.push((h, true, self.gpu.page(bytes)?));
            }
            for _ in head.pages.len()..(len + rows).div_ceil(PAGE) {
                new.push((h, false, self.gpu.page(bytes)?));
            }
        }
        Ok(new)
    }

    /// The layer as kernels are told of it.
    pub fn layer(&self) -> args::Layer {
        self.told(self.gpu.position_of(self.step))
    }

    /// What kernels are told where there are no entries: the position, so that queries are turned.
    fn without_entries(&self, now: Option<u64>, next: usize) -> args::Layer {
        args::Layer {
            pages: 0,
            lens: 0,
            now: now.unwrap_or(0),
            newest: match now {
                Some(_) => 0,
                None => (next as u32).wrapping_sub(1),
            },
            position: 0,
            most: 0,
            kv_heads: self.heads.len() as u32,
        }
    }

    fn told(&self, now: Option<u64>) -> args::Layer {
        let Some(table) = &self.table else {
            return self.without_entries(None, 0);
        };
        // Every head has had as many since.
        let held = self.heads[0].positions.len() as u32;
        let since = held.wrapping_sub(table.len_of_first());
        args::Layer {
            pages: table.pages_at(),
            lens: table.lens_at(),
            now: now.unwrap_or(0),
            // What a step's kernels find on the device is not told: it differs from step to step.
            newest: match now {
                Some(_) => 0,
                None => table.position().wrapping_add(since).wrapping_sub(1),
            },
            position: table.position(),
            most: table.most() as u32,
            kv_heads: self.heads.len() as u32,
        }
    }

    fn page_bytes(&self) -> usize {
        2 * PAGE * self.row_bytes()
    }

    /// Of a key, or of a value.
    fn row_bytes(&self) -> usize {
        self.head_dim * self.element.bytes()
    }

    /// A layer of such heads, which are whole.
    fn of(&self, heads: Vec<Head>) -> Result<Self> {
        let mut table = None;
        if heads.iter().any(|head| !head.pages.is_empty()) {
            Table::update(&mut table, &self.gpu, &heads, &[], (0, 0))?;
        }
        Ok(PagedLayer {
            gpu: self.gpu.clone(),
            element: self.element,
            head_dim: self.head_dim,
            heads,
            table,
            step: 0,
        })
    }
}

impl Store for PagedLayer {
    type Query = RingRow;
    /// Layers with states are not run by these kernels.
    type Numbers = Arc<Vec<f32>>;

    fn lens(&self) -> Vec<usize> {
        self.heads.iter().map(|head| head.positions.len()).collect()
    }

    fn positions(&self, head: usize) -> &[u32] {
        &self.heads[head].positions
    }

    fn gather(&self, kept: &[Vec<u32>]) -> Result<Self> {
        self.gathered(kept)
    }

    fn put_back(&self, other: &Self) -> Result<Self> {
        self.merged(other)
    }

    fn take_back(&mut self, entries: usize) {
        for head in &mut self.heads {
            let len = head.positions.len().saturating_sub(entries);
            head.positions.truncate(len);
            head.pages.truncate(len.div_ceil(PAGE));
        }
        self.step = 0;
    }

    fn export(&self, first: usize) -> Result<Vec<super::HeadPages>> {
        self.exported(first)
    }

    fn import(&self, pages: Vec<super::HeadPages>, len: usize) -> Result<Self> {
        self.imported(&pages, len)
    }

    fn detach(&mut self) {}

    fn used_bytes(&self) -> usize {
        self.entries() * 2 * self.row_bytes()
    }

    fn allocated_bytes(&self) -> usize {
        let pages: usize = self.heads.iter().map(|head| head.pages.len()).sum();
        pages * self.page_bytes() + self.table.as_ref().map_or(0, |table| table.bytes())
    }

    fn own_bytes(&self, other: &Self) -> usize {
        let heads = self.heads.iter().zip(&other.heads);
        let own = heads.map(|(a, b)| {
            let shared = |(i, page): (usize, &Arc<Page>)| {
                b.pages.get(i).is_some_and(|other| Arc::ptr_eq(page, other))
            };
            let pages = a.pages.iter().enumerate();
            pages.filter(|page| !shared(*page)).count() * self.page_bytes()
        });
        own.sum()
    }
}
