//! How packed weights lie in memory: in as many bits as their file has.
//!
//! Rows (outputs) go in tiles of 16, columns (inputs) in blocks of 32. A tile is its blocks one after
//! another, in groups whose scales stand before them; all of it in 64-byte lines, so that everything is
//! read once, in order. A block of quants:
//!
//! ```text
//! U4: 4 lines  line g, byte 4r+j: low nibble q[row r][4g+j], high nibble q[row r][16+4g+j]
//! U5: 5 lines  as U4; line 4, byte 4r+j, bit g: fifth bit of q[row r][4g+j]
//! U6: 6 lines  as U4; line 4+h, byte 4r+j, bits 2g and 2g+1: upper bits of q[row r][16h+4g+j]
//! U8: 8 lines  line g, byte 4r+j: q[row r][4g+j]
//! T4: 4 lines  as U4; the nibbles are places in a table, which has the quants
//! ```
//!
//! One line of quants thus meets four activations which all rows share: a single 4-byte broadcast
//! and one `vpdpbusd` (or its AVX2 counterpart) per line.

use crate::model::gguf::quants;
pub use crate::model::kernels::region::Line;

/// Rows per tile.
pub const TILE: usize = 16;
/// Columns per block.
pub const BLOCK: usize = 32;

/// How a matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub quants: Quants,
    pub scales: Scales,
}

/// How the quants of a block are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quants {
    U4,
    U5,
    U6,
    U8,
    /// Nibbles that stand for the quants of a table.
    T4(Table),
}

/// What quants are multiplied by and shifted by, `w = d·q + m`, and how it is stored before a group of
/// blocks; `r` is a row of the tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scales {
    /// Each block: `d` in f16 at byte 2r, `m` at 32 + 2r.
    Affine,
    /// Two blocks: `d` in f16 at byte 2r and 32 + 2r; `m` is so many times it, below 0.
    Centred(u8),
    /// Eight blocks: one f16 for `d` at byte 2r, and for `−m` at 32 + 2r, each block's 6-bit factors to
    /// them in two lines of low nibbles (of block b in byte 16·(b mod 4) + r) and one of the upper bits.
    Factors,
    /// Eight blocks of [`Quants::U6`]: of each half block an i8 factor in four lines, in the fifth the f16
    /// that they are multiplied by, at byte 2r. `m = −32·d`.
    Halves,
    /// Eight blocks: one f16 at byte 2r, and each block's 6-bit factor, 32 above what it means, stored as
    /// of [`Scales::Factors`]. `m = −128·d`.
    Signed,
    /// Four blocks: the exponent of a power of two in byte 16·b + r. `m = −128·d`.
    Powers,
}

/// What nibbles stand for: quants as of [`Quants::U8`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Iq4,
    Mxfp4,
}

impl Table {
    /// The 16 quants, 128 above the numbers that they are meant to be.
    pub const fn quants(self) -> &'static [u8; 16] {
        match self {
            Table::Iq4 => const { &raised(&quants::IQ4) },
            Table::Mxfp4 => const { &raised(&quants::MXFP4) },
        }
    }
}

const fn raised(values: &[i8; 16]) -> [u8; 16] {
    let mut quants = [0; 16];
    let mut i = 0;
    while i < 16 {
        quants[i] = values[i].cast_unsigned() ^ 0x80;
        i += 1;
    }
    quants
}

/// In place of a number of bits, for kernels that are compiled per form: [`Quants::T4`].
#[cfg(target_arch = "x86_64")]
pub const LOOKUP: u8 = 0;

impl Quants {
    /// Lines per block.
    pub const fn lines(self) -> usize {
        match self {
            Quants::U4 | Quants::T4(_) => 4,
            Quants::U5 => 5,
            Quants::U6 => 6,
            Quants::U8 => 8,
        }
    }

    /// The table of those that have one; of others, nothing that is looked at.
    #[cfg(target_arch = "x86_64")]
    pub const fn table(self) -> &'static [u8; 16] {
        match self {
            Quants::T4(table) => table.quants(),
            _ => &[0; 16],
        }
    }

    /// Writes 32 quants (of a table, their places) of row `row`, four to a word.
    pub fn store(self, words: [u32; 8], row: usize, lines: &mut [Line]) {
        let mut put = |line: usize, word: u32| {
            lines[line].0[4 * row..][..4].copy_from_slice(&word.to_le_bytes());
        };
        if self == Quants::U8 {
            return (0..8).for_each(|g| put(g, words[g]));
        }
        for g in 0..4 {
            put(
                g,
                words[g] & 0x0f0f_0f0f | (words[4 + g] & 0x0f0f_0f0f) << 4,
            );
        }
        let upper = |word: u32, mask: u32| word >> 4 & mask;
        match self {
            Quants::U5 => {
                let bits = (0..8).map(|g| upper(words[g], 0x0101_0101) << g);
                put(4, bits.fold(0, |all, bits| all | bits));
            }
            Quants::U6 => {
                for half in 0..2 {
                    let bits = (0..4).map(|g| upper(words[4 * half + g], 0x0303_0303) << (2 * g));
                    put(4 + half, bits.fold(0, |all, bits| all | bits));
                }
            }
            _ => {}
        }
    }

    /// The inverse of [`Quants::store`], with the quants that nibbles stand for.
    pub fn load(self, row: usize, lines: &[Line]) -> [u8; BLOCK] {
        let byte = |line: usize, k: usize| lines[line].0[4 * row + k % 4];
        let nibble = |k: usize| byte(k % 16 / 4, k) >> (4 * (k / 16)) & 15;
        std::array::from_fn(|k| match self {
            Quants::U4 => nibble(k),
            Quants::U5 => nibble(k) | (byte(4, k) >> (k / 4) & 1) << 4,
            Quants::U6 => nibble(k) | (byte(4 + k / 16, k) >> (k % 16 / 4 * 2) & 3) << 4,
            Quants::U8 => byte(k / 4, k),
            Quants::T4(table) => table.quants()[usize::from(nibble(k))],
        })
    }
}

impl Scales {
    /// Blocks that stand behind them: a power of two, so that its shift does for divisions, which a
    /// kernel would wait for at every block.
    pub const fn group(self) -> usize {
        1 << self.group_shift()
    }

    const fn group_shift(self) -> u32 {
        match self {
            Scales::Affine => 0,
            Scales::Centred(_) => 1,
            Scales::Powers => 2,
            Scales::Factors | Scales::Halves | Scales::Signed => 3,
        }
    }

    /// A block's place in its group.
    pub const fn in_group(self, block: usize) -> usize {
        block & (self.group() - 1)
    }

    /// Their lines.
    pub const fn lines(self) -> usize {
        match self {
            Scales::Affine | Scales::Centred(_) | Scales::Powers => 1,
            Scales::Signed => 2,
            Scales::Factors => 4,
            Scales::Halves => 5,
        }
    }
}

impl Form {
    /// Lines of a tile of so many blocks; the last group may have fewer than it could.
    pub const fn lines(self, blocks: usize) -> usize {
        blocks.div_ceil(self.scales.group()) * self.scales.lines() + blocks * self.quants.lines()
    }

    /// Where the scales of a block's group stand in a tile.
    pub const fn scales_at(self, block: usize) -> usize {
        let group = self.scales.lines() + (self.quants.lines() << self.scales.group_shift());
        (block >> self.scales.group_shift()) * group
    }

    /// Where a block's quants stand in a tile.
    pub const fn quants_at(self, block: usize) -> usize {
        let before = self.scales.in_group(block) * self.quants.lines();
        self.scales_at(block) + self.scales.lines() + before
    }
}
