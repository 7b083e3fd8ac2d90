//! THE ARCHIVE. Every key and value that was ever computed for a conversation, on the disk or in
//! memory, so that eviction drops entries from the cache and from nothing else.
//!
//! It consists of *segments*: runs of tokens that were read one after the other, each with its keys and
//! values in page rows (64 positions of all layers), in the layout of the cache's own pages. A segment
//! never changes once it is there. It is found by the name of the tokens that stand before it, a hash
//! of all of them: so segments make a tree, conversations with the same beginning share it, and going
//! back, branching or asking about the same document elsewhere is the same search for the longest
//! archived beginning ([`Archive::find`]).
//!
//! On the disk a segment is a file (`header.rs`), mapped as it is and checked before it is first used.
//! It gets its name when it is complete, so that a killed process leaves whole segments or none.

mod chain;
mod fault;
mod find;
mod folder;
mod header;
mod layout;
mod map;
mod memory;
mod past;
mod recording;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use folder::{bytes, free};
pub use layout::{Layout, Part};
pub use past::Past;
pub use recording::Recording;
pub use segment::Damaged;
pub use writer::{Create, Out};

use folder::Folder;
use memory::Memory;
use writer::Writer;

/// Where the archive is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Disk,
    Memory,
    Off,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Disk, Mode::Memory, Mode::Off];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Disk => "disk",
            Mode::Memory => "memory",
            Mode::Off => "off",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let found = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| format!("\"{}\" is none of disk, memory, off", text.escape_debug()))
    }
}

/// What keys and values belong to: they are of no use to anything else.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Of the weights, and of everything that changes what comes out of them.
    pub fingerprint: [u8; 32],
    pub layout: Layout,
}

/// The archive of one model.
pub struct Archive {
    identity: Identity,
    place: Place,
}

enum Place {
    Disk { folder: Folder, writer: Writer },
    Memory(Memory),
}

impl Archive {
    /// In a folder of `root`; all models' segments together stay within `limit` bytes.
    ///
    /// # Errors
    /// When the system gives no thread to write them.
    pub fn on_disk(root: &Path, identity: Identity, limit: u64) -> io::Result<Archive> {
        Archive::written_by(root, identity, limit, Box::new(writer::create))
    }

    /// The same, into files that `create` makes.
    ///
    /// # Errors
    /// When the system gives no thread to write them.
    pub fn written_by(
        root: &Path,
        identity: Identity,
        limit: u64,
        create: Box<Create>,
    ) -> io::Result<Archive> {
        let print = identity.fingerprint.iter().take(8);
        let name: String = print.map(|byte| format!("{byte:02x}")).collect();
        let path = root.join(name);
        let layout = identity.layout.clone();
        let writer = Writer::start(root.into(), path.clone(), layout.clone(), limit, create)?;
        let folder = Folder::new(path, layout);
        let place = Place::Disk { folder, writer };
        Ok(Archive { identity, place })
    }

    /// In memory, at most `limit` bytes.
    pub fn in_memory(identity: Identity, limit: u64) -> Archive {
        let place = Place::Memory(Memory::new(limit));
        Archive { identity, place }
    }

    pub fn mode(&self) -> Mode {
        match self.place {
            Place::Disk { .. } => Mode::Disk,
            Place::Memory(_) => Mode::Memory,
        }
    }

    /// The folder of its files.
    pub fn path(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Disk { folder, .. } => Some(&folder.path),
            Place::Memory(_) => None,
        }
    }

    /// The longest beginning of `ids` that is there.
    pub fn find(&self, ids: &[u32]) -> Past {
        let fingerprint = &self.identity.fingerprint;
        match &self.place {
            Place::Disk { folder, writer } => {
                writer.settle(writer::PATIENCE);
                let names = folder.names();
                let past = find::longest(fingerprint, ids, |name, rest| {
                    folder.behind(&names, name, rest)
                });
                let used = past.segments().chain(past.with_states());
                let used = used.filter_map(|(segment, _)| segment.path());
                let mut used: Vec<PathBuf> = used.map(Path::to_owned).collect();
                let mut seen = std::collections::HashSet::new();
                used.retain(|path| seen.insert(path.clone()));
                folder.used(used.clone());
                if !used.is_empty() {
                    writer.touch(used);
                }
                past
            }
            Place::Memory(memory) => {
                let past = find::longest(fingerprint, ids, |name, _| memory.behind(name));
                let used = past.segments().chain(past.with_states());
                memory.touch(used.map(|(segment, _)| segment));
                past
            }
        }
    }

    /// Forgets the segments of `past` that are not what was written.
    pub fn discard(&self, past: &Past) {
        if let Place::Disk { folder, .. } = &self.place {
            let layout = &self.identity.layout;
            let used = past.segments().chain(past.with_states());
            for (segment, rows) in used {
                let damaged = (0..layout.layers()).any(|layer| {
                    let rows = match layout.is_state(layer) {
                        true => segment.snapshots.len(),
                        false => rows,
                    };
                    (0..rows).any(|row| segment.pages(row, layer).is_err())
                });
                if (damaged || !segment.is_whole())
                    && let Some(path) = segment.path()
                {
                    folder.discard(path);
                }
            }
        }
    }

    /// Begins a segment for the tokens of `ids` from position `first` on, a multiple of a page. States
    /// of layers without entries will be given as they are before the positions `snapshots`.
    pub fn record(&self, ids: &[u32], first: usize, snapshots: &[usize]) -> Recording<'_> {
        let Identity {
            fingerprint,
            layout,
        } = &self.identity;
        let (before, ids) = ids.split_at(first.min(ids.len()));
        let names = chain::pages(fingerprint, before);
        let (start, ids) = (names[names.len() - 1], ids.to_vec());
        let own = snapshots.iter().filter(|&&at| at > first);
        let own = own.map(|at| at - first).collect();
        match &self.place {
            Place::Disk { writer, .. } => Recording::on_disk(writer, layout, start, ids, own),
            Place::Memory(memory) => Recording::in_memory(memory, layout, start, ids, own),
        }
    }

    /// Whether a search found files damaged or gone since this was asked last; they are forgotten.
    pub fn was_damaged(&self) -> bool {
        match &self.place {
            Place::Disk { folder, .. } => folder.was_damaged(),
            Place::Memory(_) => false,
        }
    }

    /// Waits until what was recorded is there, but not longer than `most`.
    pub fn settle(&self, most: Duration) {
        if let Place::Disk { writer, .. } = &self.place {
            writer.settle(most);
        }
    }

    /// The most bytes in memory that were still to be written to the disk at once, since this was asked
    /// last: whoever looks from time to time misses it.
    pub fn most_waiting(&self) -> usize {
        match &self.place {
            Place::Disk { writer, .. } => writer.most_waiting(),
            Place::Memory(_) => 0,
        }
    }

    /// What was not kept since this was asked last, and why.
    pub fn trouble(&self) -> Option<String> {
        match &self.place {
            Place::Disk { writer, .. } => writer.trouble(),
            Place::Memory(memory) => memory.trouble(),
        }
    }
}
