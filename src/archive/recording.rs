//! A segment on its way into an archive.

use super::chain::Name;
use super::folder::Folder;
use super::layout::Layout;
use super::memory::Memory;
use super::segment::Segment;
use super::writer::{Order, Writer};
use crate::cache::{HeadPages, PAGE};

/// Takes the layers of a segment, one after the other; nothing of it is there before
/// [`Recording::commit`].
pub struct Recording<'a> {
    layout: &'a Layout,
    start: Name,
    /// The segment's own tokens.
    ids: Vec<u32>,
    /// Of them, before which states are kept.
    snapshots: Vec<usize>,
    to: To<'a>,
}

enum To<'a> {
    /// The writer and its number there.
    Disk(&'a Writer, u64),
    /// `[layer][page row][head]`
    Memory(&'a Memory, Vec<Vec<HeadPages>>),
    /// Nowhere any more.
    Nothing,
}

impl<'a> Recording<'a> {
    /// Of `ids` behind `start`, by `writer`.
    pub(super) fn on_disk(
        writer: &'a Writer,
        layout: &'a Layout,
        start: Name,
        ids: Vec<u32>,
        snapshots: Vec<usize>,
    ) -> Self {
        Recording::new(layout, start, ids, snapshots, |ids, snapshots| {
            let order = Order {
                start: start.to_string(),
                file_name: Folder::file_name(&start, ids),
                ids: ids.to_vec(),
                snapshots: snapshots.to_vec(),
            };
            To::Disk(writer, writer.begin(order))
        })
    }

    /// Of `ids` behind `start`, into `memory`.
    pub(super) fn in_memory(
        memory: &'a Memory,
        layout: &'a Layout,
        start: Name,
        ids: Vec<u32>,
        snapshots: Vec<usize>,
    ) -> Self {
        let layers = vec![Vec::new(); layout.layers()];
        Recording::new(layout, start, ids, snapshots, |_, _| {
            To::Memory(memory, layers)
        })
    }

    /// Without tokens it goes nowhere.
    fn new(
        layout: &'a Layout,
        start: Name,
        ids: Vec<u32>,
        snapshots: Vec<usize>,
        to: impl FnOnce(&[u32], &[usize]) -> To<'a>,
    ) -> Self {
        let to = match ids.is_empty() {
            true => To::Nothing,
            false => to(&ids, &snapshots),
        };
        Recording {
            layout,
            start,
            ids,
            snapshots,
            to,
        }
    }

    /// A layer's pages, `[head][page row]`; of a layer with a state `[0][snapshot]`.
    pub fn layer(&mut self, layer: usize, pages: Vec<HeadPages>) {
        let rows = match self.layout.is_state(layer) {
            false => self.ids.len().div_ceil(PAGE),
            true => self.snapshots.len(),
        };
        let taken = match &mut self.to {
            To::Disk(writer, segment) => writer.layer(*segment, layer, pages),
            To::Memory(_, layers) if self.layout.fits(layer, &pages, rows) => {
                let row = |row: usize| pages.iter().map(|head| head[row].clone()).collect();
                layers[layer] = (0..rows).map(row).collect();
                true
            }
            To::Memory(..) | To::Nothing => false,
        };
        if !taken {
            self.to = To::Nothing;
        }
    }

    /// Every layer is there.
    pub fn commit(mut self) {
        match std::mem::replace(&mut self.to, To::Nothing) {
            To::Disk(writer, segment) => writer.commit(segment),
            To::Memory(memory, layers) if layers.iter().all(|rows| !rows.is_empty()) => {
                let ids = std::mem::take(&mut self.ids);
                let snapshots = std::mem::take(&mut self.snapshots);
                memory.add(self.start, Segment::held(ids, snapshots, layers));
            }
            To::Memory(..) | To::Nothing => {}
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let To::Disk(writer, segment) = &self.to {
            writer.abandon(*segment);
        }
    }
}
