//! A segment on its way into an archive.

use super::chain::{self, Name};
use super::folder::Folder;
use super::segment::Segment;
use super::writer::Order;
use super::{Archive, Place};
use crate::cache::{HeadPages, PAGE};

/// Takes the layers of a segment, one after the other; nothing of it is there before
/// [`Recording::commit`].
pub struct Recording<'a> {
    archive: &'a Archive,
    start: Name,
    /// The segment's own tokens.
    ids: Vec<u32>,
    to: To,
}

enum To {
    Disk(u64),
    /// `[layer][page row][head]`
    Memory(Vec<Vec<HeadPages>>),
    /// Nowhere any more.
    Nothing,
}

impl<'a> Recording<'a> {
    pub(super) fn new(archive: &'a Archive, ids: &[u32], first: usize) -> Recording<'a> {
        let names = chain::pages(&archive.identity.fingerprint, &ids[..first.min(ids.len())]);
        let start = names[names.len() - 1];
        let ids = ids.get(first..).unwrap_or_default().to_vec();
        let to = match &archive.place {
            _ if ids.is_empty() => To::Nothing,
            Place::Disk { writer, .. } => To::Disk(writer.begin(Order {
                start: start.to_string(),
                file_name: Folder::file_name(&start, &ids),
                ids: ids.clone(),
            })),
            Place::Memory(_) => To::Memory(vec![Vec::new(); archive.identity.layout.layers()]),
        };
        Recording {
            archive,
            start,
            ids,
            to,
        }
    }

    /// A layer's pages, `[head][page row]`.
    pub fn layer(&mut self, layer: usize, pages: Vec<HeadPages>) {
        let rows = self.ids.len().div_ceil(PAGE);
        match (&mut self.to, &self.archive.place) {
            (To::Disk(segment), Place::Disk { writer, .. }) => {
                if !writer.layer(*segment, layer, pages) {
                    self.to = To::Nothing;
                }
            }
            (To::Memory(layers), _) if self.archive.identity.layout.fits(layer, &pages, rows) => {
                let row = |row: usize| pages.iter().map(|head| head[row].clone()).collect();
                layers[layer] = (0..rows).map(row).collect();
            }
            _ => self.to = To::Nothing,
        }
    }

    /// Every layer is there.
    pub fn commit(mut self) {
        match (
            std::mem::replace(&mut self.to, To::Nothing),
            &self.archive.place,
        ) {
            (To::Disk(segment), Place::Disk { writer, .. }) => writer.commit(segment),
            (To::Memory(layers), Place::Memory(memory)) => {
                if layers.iter().all(|rows| !rows.is_empty()) {
                    let ids = std::mem::take(&mut self.ids);
                    memory.add(self.start, Segment::held(ids, layers));
                }
            }
            _ => {}
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let (To::Disk(segment), Place::Disk { writer, .. }) = (&self.to, &self.archive.place) {
            writer.abandon(*segment);
        }
    }
}
