//! Cutting one call into work items of about equal size.

use super::tile::{Call, Item};
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::pool::Pool;

/// Stacked rows of a full tile: enough to pay for converting a page, few enough for L2.
const TILE_ROWS: usize = 96;
/// The same of numbers of 16 bits: converting costs more, and computing less.
const NARROW_TILE_ROWS: usize = 192;
/// Tiles per thread, at least, that need no cutting.
const TILES_PER_THREAD: usize = 4;
/// Items per thread where the pages are cut, so that threads of unequal speed end together.
const ITEMS_PER_THREAD: usize = 8;
/// A shorter run of pages is not worth merging.
const LEAST_PAGES: usize = 2;
/// Multiply–adds below which waking other threads costs more than it saves.
const INLINE_WORK: usize = 150_000;

/// The items of a call, longest first where they differ by causality.
pub(super) struct Plan {
    pub items: Vec<Item>,
    /// For every tile (query rows of one KV head) the range of its items.
    pub tiles: Vec<std::ops::Range<usize>>,
    /// Not worth the pool.
    inline: bool,
}

/// Largest number of query rows in an item.
fn tile_rows(group: usize, dim: usize, narrow: bool) -> usize {
    let full = if narrow { NARROW_TILE_ROWS } else { TILE_ROWS };
    let stacked = if dim > 128 { full / 2 } else { full };
    (stacked / group.max(1)).max(1)
}

impl Plan {
    /// Tiles of query rows, smaller ones where there are too few for the threads. Pages are never cut: what a row
    /// comes to does not depend on how many are read with it, nor on the threads. So what follows from a text
    /// is the same whether all of it is read at once or its end behind what an archive has.
    pub fn new<T: KvElement>(call: &Call<T>, threads: usize, narrow: bool) -> Self {
        let heads = &call.layer.heads;
        let dim = heads.first().map_or(0, |h| h.head_dim());
        let full = tile_rows(call.group(), dim, narrow);
        let enough = (threads * TILES_PER_THREAD).div_ceil(heads.len().max(1));
        let tiles = match threads {
            0 | 1 => 1,
            _ => enough.min(call.queries.rows),
        };
        Self::cut(
            call,
            threads,
            tiles.max(call.queries.rows.div_ceil(full)),
            None,
        )
    }

    /// All rows of a head in one tile, whose pages are cut as those of one row are: for rows that see the
    /// same pages.
    pub fn of_each<T: KvElement>(call: &Call<T>, threads: usize) -> Self {
        Self::cut(call, threads, 1, Some(1))
    }

    /// All rows of a head in one tile, cut by pages.
    pub fn whole_rows<T: KvElement>(call: &Call<T>, threads: usize) -> Self {
        Self::cut(call, threads, 1, Some(call.queries.rows))
    }

    /// Runs `f` for every item's index.
    pub fn run(&self, pool: &Pool, f: impl Fn(usize) + Sync) {
        if self.inline {
            (0..self.items.len()).for_each(f);
        } else {
            pool.run(self.items.len(), f);
        }
    }

    /// The largest item's query rows.
    pub fn most_rows(&self) -> usize {
        self.items.iter().map(|i| i.rows.len()).max().unwrap_or(0)
    }

    /// Pages are cut as for so many rows, or not at all.
    fn cut<T: KvElement>(
        call: &Call<T>,
        threads: usize,
        tiles: usize,
        as_for: Option<usize>,
    ) -> Self {
        let heads = &call.layer.heads;
        let dim = heads.first().map_or(0, |h| h.head_dim());
        let mut whole = Vec::with_capacity(tiles * heads.len());
        for tile in (0..tiles).rev() {
            // Equal tiles rather than full ones and a rest.
            let rows = tile * call.queries.rows / tiles..(tile + 1) * call.queries.rows / tiles;
            for (head, store) in heads.iter().enumerate() {
                let first = call.hidden(store, rows.start) / PAGE;
                let pages = first..call.seen(store, rows.end - 1).div_ceil(PAGE);
                let rows = rows.clone();
                whole.push(Item { head, rows, pages });
            }
        }
        let pages: usize = whole.iter().map(|i| i.pages.len()).sum();
        let small = |rows: usize| {
            let stacked = rows.div_ceil(tiles.max(1)) * call.group();
            threads < 2 || pages * PAGE * stacked * dim * 2 < INLINE_WORK
        };
        let inline = small(call.queries.rows);
        let wanted = threads * ITEMS_PER_THREAD;
        let most = match as_for {
            Some(rows) if !small(rows) && whole.len() < threads * TILES_PER_THREAD => {
                pages.div_ceil(wanted).max(LEAST_PAGES)
            }
            _ => usize::MAX,
        };
        let mut items = Vec::with_capacity(whole.len() + wanted);
        let tiles = whole
            .into_iter()
            .map(|item| {
                let start = items.len();
                let (first, count) = (item.pages.start, item.pages.len());
                let parts = count.div_ceil(most).max(1);
                items.extend((0..parts).map(|part| Item {
                    pages: first + part * count / parts..first + (part + 1) * count / parts,
                    ..item.clone()
                }));
                start..items.len()
            })
            .collect();
        Plan {
            items,
            tiles,
            inline,
        }
    }
}

/// Runs of rows that see entries of the same pages in every head.
pub(super) fn alike<T: KvElement>(call: &Call<T>) -> Vec<std::ops::Range<usize>> {
    let heads = &call.layer.heads;
    let ends = |row: usize, head| {
        (
            call.hidden(head, row) / PAGE,
            call.seen(head, row).div_ceil(PAGE),
        )
    };
    let same = |row: usize| {
        heads
            .iter()
            .all(|head| ends(row - 1, head) == ends(row, head))
    };
    let mut runs = Vec::new();
    let mut first = 0;
    for row in 1..=call.queries.rows {
        if row == call.queries.rows || !same(row) {
            runs.push(first..row);
            first = row;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::Queries;
    use super::*;
    use crate::cache::{Head, HostLayer};

    fn layer(lens: &[usize]) -> HostLayer<f32> {
        let heads = lens.iter().map(|&len| {
            let mut head = Head::new(8);
            for e in 0..len {
                head.append(e as u32, &[0.0; 8], &[0.0; 8]);
            }
            head
        });
        HostLayer {
            heads: heads.collect(),
        }
    }

    #[test]
    fn one_long_head_is_shared_by_all_threads() {
        let layer = layer(&[6_000, 64, 1]);
        let queries = Queries::last(&[], 1, 9, 1.0);
        let call = Call {
            layer: &layer,
            queries: &queries,
        };
        let plan = Plan::of_each(&call, 4);
        let most = plan.items.iter().map(|i| i.pages.len()).max();
        assert!(most <= Some(6_000 / PAGE / 16), "{most:?}");
        for tile in &plan.tiles {
            let parts = &plan.items[tile.clone()];
            assert!(parts.windows(2).all(|p| p[0].pages.end == p[1].pages.start));
            let head = &layer.heads[parts[0].head];
            assert_eq!(parts[0].pages.start, 0);
            assert_eq!(parts[parts.len() - 1].pages.end, head.len().div_ceil(PAGE));
        }
    }

    #[test]
    fn prefill_covers_every_row_once_and_skips_the_future() {
        let layer = layer(&[500, 500]);
        let queries = Queries::last(&[], 500, 6, 1.0);
        let call = Call {
            layer: &layer,
            queries: &queries,
        };
        let plan = Plan::new(&call, 2, false);
        let mut covered = vec![0; 500];
        for item in plan.items.iter().filter(|i| i.head == 1) {
            assert_eq!(item.pages, 0..item.rows.end.div_ceil(PAGE));
            item.rows.clone().for_each(|r| covered[r] += 1);
        }
        assert!(covered.iter().all(|&n| n == 1));
    }

    /// A question's few rows are shared out, and no row's pages are.
    #[test]
    fn few_rows_that_are_read_keep_all_threads_busy() {
        let layer = layer(&[2_000, 500]);
        let queries = Queries::last(&[], 40, 6, 1.0);
        let call = Call {
            layer: &layer,
            queries: &queries,
        };
        let plan = Plan::new(&call, 4, true);
        assert_eq!(plan.items.len(), plan.tiles.len());
        assert_eq!(plan.items.len(), 16);
        for item in &plan.items {
            let end = call.seen(&layer.heads[item.head], item.rows.end - 1);
            assert_eq!(item.pages, 0..end.div_ceil(PAGE));
        }
    }

    /// What is computed of a layer with a window: its window, and a tile's own rows, in whole pages.
    #[cfg_attr(miri, ignore = "takes too long")]
    #[test]
    fn a_window_costs_its_window() {
        let layer = layer(&[4000]);
        let mut queries = Queries::last(&[], 256, 3, 1.0);
        queries.span.window = Some(512);
        let call = Call {
            layer: &layer,
            queries: &queries,
        };
        for narrow in [false, true] {
            let plan = Plan::new(&call, 1, narrow);
            for item in &plan.items {
                let most = (512 + item.rows.len()).div_ceil(PAGE) + 1;
                assert!(item.pages.len() <= most, "{item:?}");
            }
        }
    }
}
