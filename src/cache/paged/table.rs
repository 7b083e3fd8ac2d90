//! Where a layer's pages are, on the device.

use std::sync::Arc;

use candle_core::Result;

use super::head::Head;
use crate::gpu::{Buffer, Gpu};

/// `[kv_heads, most]` addresses of pages, and behind them `[kv_heads]` lengths as they were when `position` was the
/// position of the next entry.
pub(super) struct Table {
    buffer: Buffer,
    most: usize,
    lens: Vec<u32>,
    position: u32,
}

impl Table {
    pub fn pages_at(&self) -> u64 {
        self.buffer.at()
    }

    pub fn lens_at(&self) -> u64 {
        self.buffer.at() + (self.lens.len() * self.most * 8) as u64
    }

    pub fn most(&self) -> usize {
        self.most
    }

    pub fn position(&self) -> u32 {
        self.position
    }

    pub fn len_of_first(&self) -> u32 {
        self.lens.first().copied().unwrap_or(0)
    }

    pub fn bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Brings a table up to date with `heads`, to which `rows` entries were added at `start`, and in which the
    /// pages `changed` (head, place) are new.
    pub fn update(
        table: &mut Option<Arc<Table>>,
        gpu: &Arc<Gpu>,
        heads: &[Head],
        changed: &[(usize, usize)],
        (start, rows): (usize, usize),
    ) -> Result<()> {
        if heads.is_empty() {
            return Ok(());
        }
        let before = |head: &Head| (head.positions.len() - rows) as u32;
        let most = heads.iter().map(|head| head.pages.len()).max().unwrap_or(0);
        // One that others look at, or that counts from elsewhere, is made anew.
        let fits = table.as_mut().and_then(Arc::get_mut).filter(|table| {
            let since = (start as u32).wrapping_sub(table.position);
            let same = |(head, len): (&Head, &u32)| before(head) == len.wrapping_add(since);
            most <= table.most && heads.iter().zip(&table.lens).all(same)
        });
        if let Some(table) = fits {
            if gpu.in_step() {
                for &(head, place) in changed {
                    let at = table.pages_at() + ((head * table.most + place) * 8) as u64;
                    gpu.poke(at, heads[head].pages[place].at())?;
                }
                return Ok(());
            }
            return match changed {
                [] => Ok(()),
                _ => gpu.write(
                    table.pages_at(),
                    bytemuck::cast_slice(&addresses(heads, table.most)),
                ),
            };
        }
        let spare = if rows == 0 { 2 } else { 2 + most / 4 };
        let most = (most + spare).next_multiple_of(4);
        let lens: Vec<u32> = heads.iter().map(before).collect();
        let mut words = addresses(heads, most);
        words.extend(
            lens.chunks(2).map(|pair| {
                u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32
            }),
        );
        let position = start as u32;
        let buffer = gpu.upload(&words)?;
        *table = Some(Arc::new(Table {
            buffer,
            most,
            lens,
            position,
        }));
        Ok(())
    }
}

fn addresses(heads: &[Head], most: usize) -> Vec<u64> {
    let mut words = vec![0; heads.len() * most];
    for (row, head) in words.chunks_mut(most).zip(heads) {
        for (word, page) in row.iter_mut().zip(&head.pages) {
            *word = page.at();
        }
    }
    words
}
