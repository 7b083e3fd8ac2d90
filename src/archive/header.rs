//! What stands at the beginning of a segment's file.

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::cache::PAGE;

/// Bumped whenever files of before cannot be read any more.
pub const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"cachatKV";
/// Magic, length and checksum of what follows.
const PREFIX: usize = 16;
/// A page of memory: what follows the header can be mapped as it is.
const ALIGNED: usize = 4096;

/// Bytes of a header that are worth reading: a million tokens have a sixth of them.
const LONGEST: usize = 64 << 20;

/// Everything about a segment but its pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    /// Name of the tokens that stand before it.
    pub start: String,
    /// Its tokens, in the order of their positions.
    pub ids: Vec<u32>,
    /// Tokens before which the states of layers without entries are kept, ascending.
    #[serde(default)]
    pub snapshots: Vec<usize>,
    /// Checksums of the pages, `[page row × layers + layer]`, and of the snapshots behind them.
    pub checksums: Vec<u32>,
}

impl Header {
    /// Page rows that the segment's tokens take; the last may be partly used.
    pub fn rows(&self) -> usize {
        self.ids.len().div_ceil(PAGE)
    }

    /// Bytes of the header of a segment of `tokens` tokens: a multiple of a page of memory, enough for
    /// any ids and checksums.
    pub fn space(tokens: usize, snapshots: usize, layout: &Layout) -> usize {
        let sums = Header::sums(tokens, snapshots, layout);
        (PREFIX + 256 + 11 * (tokens + sums + snapshots)).next_multiple_of(ALIGNED)
    }

    /// Checksums there are.
    pub fn sums(tokens: usize, snapshots: usize, layout: &Layout) -> usize {
        (tokens.div_ceil(PAGE) + snapshots) * layout.layers()
    }

    /// Bytes of the whole file.
    pub fn file_len(tokens: usize, snapshots: usize, layout: &Layout) -> usize {
        let pages = tokens.div_ceil(PAGE) * layout.row();
        Header::space(tokens, snapshots, layout) + pages + snapshots * layout.snapshot()
    }

    /// As it stands in the file.
    pub fn encode(&self, layout: &Layout) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(crc32fast::hash(&text).to_le_bytes());
        bytes.extend(text);
        let space = Header::space(self.ids.len(), self.snapshots.len(), layout);
        bytes.resize(space, 0);
        bytes
    }

    /// From the beginning of a file; `None` where it is none, is damaged, or of another version.
    pub fn decode(file: &[u8]) -> Option<Header> {
        let (prefix, rest) = file.split_at_checked(PREFIX)?;
        let number = |at: usize| Some(u32::from_le_bytes(prefix.get(at..at + 4)?.try_into().ok()?));
        let len = number(8)? as usize;
        if !prefix.starts_with(MAGIC) || len > LONGEST {
            return None;
        }
        let text = rest.get(..len)?;
        if crc32fast::hash(text) != number(12)? {
            return None;
        }
        let header: Header = serde_json::from_slice(text).ok()?;
        (header.version == VERSION).then_some(header)
    }
}
