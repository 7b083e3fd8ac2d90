//! A run of tokens that were read one after the other, with their keys and values.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::header::Header;
use super::layout::Layout;
use super::map::Map;
use crate::cache::{HeadPages, PageBytes};

/// Never changed once it is there: what follows, or strays, is another segment.
pub struct Segment {
    /// Its tokens, in the order of their positions, from a multiple of a page on.
    pub ids: Vec<u32>,
    /// Of them, before which the states of layers without entries are kept, ascending.
    pub snapshots: Vec<usize>,
    rows: Rows,
}

enum Rows {
    Mapped(Mapped),
    /// `[layer][page row][head]`
    Held(Vec<Vec<HeadPages>>),
}

struct Mapped {
    path: PathBuf,
    map: Arc<Map>,
    layout: Layout,
    /// Where the page rows begin, and how many there are.
    at: usize,
    rows: usize,
    checksums: Vec<u32>,
    /// Of each checksum, whether it was found right.
    checked: Vec<AtomicBool>,
}

/// A segment's bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Segment {
    /// Maps a segment's file. `None` where it is not a whole segment of tokens behind `start`.
    ///
    /// # Errors
    /// What the system says where it cannot be read now: nothing is known of it then.
    pub fn open(path: &Path, layout: &Layout, start: &str) -> io::Result<Option<Segment>> {
        // Never one that does not end, and never through a link.
        let found = std::fs::symlink_metadata(path)?;
        if !found.is_file() || found.len() == 0 {
            return Ok(None);
        }
        let map = Map::new(&File::open(path)?)?;
        let Some(header) = Header::decode(&map) else {
            return Ok(None);
        };
        let (tokens, snapshots) = (header.ids.len(), header.snapshots.len());
        let whole = map.len() == Header::file_len(tokens, snapshots, layout)
            && header.checksums.len() == Header::sums(tokens, snapshots, layout)
            && header.snapshots.iter().all(|&at| at <= tokens)
            && header.start == start
            && tokens > 0;
        if !whole || !map.is_whole() {
            return Ok(None);
        }
        Ok(Some(Segment {
            rows: Rows::Mapped(Mapped {
                path: path.to_owned(),
                map: Arc::new(map),
                layout: layout.clone(),
                at: Header::space(tokens, snapshots, layout),
                rows: header.rows(),
                checked: header.checksums.iter().map(|_| false.into()).collect(),
                checksums: header.checksums,
            }),
            snapshots: header.snapshots,
            ids: header.ids,
        }))
    }

    /// In memory; `[layer][page row or snapshot][head]`.
    pub fn held(ids: Vec<u32>, snapshots: Vec<usize>, rows: Vec<Vec<HeadPages>>) -> Segment {
        Segment {
            ids,
            snapshots,
            rows: Rows::Held(rows),
        }
    }

    /// Where its file is.
    pub fn path(&self) -> Option<&Path> {
        match &self.rows {
            Rows::Mapped(mapped) => Some(&mapped.path),
            Rows::Held(_) => None,
        }
    }

    /// Bytes it takes, on the disk or in memory.
    pub fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Mapped(mapped) => mapped.map.len(),
            Rows::Held(rows) => {
                let pages = rows.iter().flatten().flatten();
                pages.map(|page| page.as_slice().len()).sum()
            }
        }
    }

    /// A layer's pages in one page row, of each head, as they were written; of a layer with a state
    /// that in one snapshot.
    pub fn pages(&self, row: usize, layer: usize) -> Result<HeadPages, Damaged> {
        match &self.rows {
            Rows::Held(rows) => {
                let found = rows.get(layer).and_then(|rows| rows.get(row));
                found.cloned().ok_or(Damaged)
            }
            Rows::Mapped(mapped) => mapped.pages(row, layer),
        }
    }

    /// Whether everything that was read so far was there.
    pub fn is_whole(&self) -> bool {
        match &self.rows {
            Rows::Mapped(mapped) => mapped.map.is_whole(),
            Rows::Held(_) => true,
        }
    }

    /// The first `rows` page rows are about to be read.
    pub fn expect(&self) {
        if let Rows::Mapped(mapped) = &self.rows
            && mapped.checked.iter().any(|checked| !checked.load(Relaxed))
        {
            mapped.map.expect();
        }
    }

    /// A layer's pages in the first `rows` page rows will not be looked at for a while.
    pub fn give_back(&self, rows: usize, layer: usize) {
        if let Rows::Mapped(mapped) = &self.rows {
            if mapped.layout.is_state(layer) {
                return;
            }
            for row in 0..rows {
                let at = mapped.at + mapped.layout.place(layer, row, mapped.rows);
                mapped.map.give_back(at, mapped.layout.bytes(layer));
            }
        }
    }
}

impl Mapped {
    fn pages(&self, row: usize, layer: usize) -> Result<HeadPages, Damaged> {
        let at = self.at + self.layout.place(layer, row, self.rows);
        let first = if self.layout.is_state(layer) {
            self.rows
        } else {
            0
        };
        let index = (first + row) * self.layout.layers() + layer;
        let (Some(&sum), Some(checked)) = (self.checksums.get(index), self.checked.get(index))
        else {
            return Err(Damaged);
        };
        if !checked.load(Relaxed) {
            let bytes = self.map.get(at..at + self.layout.bytes(layer));
            let right = bytes.is_some_and(|bytes| crc32fast::hash(bytes) == sum);
            if !right || !self.map.is_whole() {
                return Err(Damaged);
            }
            checked.store(true, Relaxed);
        }
        let page = |(behind, len)| {
            let bytes = PageBytes::lent(self.map.clone(), at + behind, len);
            bytes.map(Arc::new).ok_or(Damaged)
        };
        self.layout.heads(layer).map(page).collect()
    }
}
