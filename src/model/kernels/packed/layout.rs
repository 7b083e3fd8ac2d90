//! How packed weights lie in memory.
//!
//! Rows (outputs) go in tiles of 16, columns (inputs) in blocks of 32. A tile is its blocks one after
//! another; a block is a number of 64-byte lines, so that everything is read once, in order:
//!
//! ```text
//! line 0      16 × f16 scale d, then 16 × f16 offset m, one per row:  w = d·q + m
//! U4: 1..=4   line 1+g, byte 4r+j: low nibble q[row r][4g+j], high nibble q[row r][16+4g+j]
//! U5: 1..=4   as U4; line 5, byte 4r+j, bit g: fifth bit of q[row r][4g+j]
//! U8: 1..=8   line 1+g, byte 4r+j: q[row r][4g+j]
//! T4: 1..=4   as U4; the nibbles are places in a table, which has the quants
//! ```
//!
//! One line of quants thus meets four activations which all rows share: a single 4-byte broadcast
//! and one `vpdpbusd` (or its AVX2 counterpart) per line.

use crate::model::gguf::quants;
pub use crate::model::kernels::region::Line;
use half::f16;

/// Rows per tile.
pub const TILE: usize = 16;
/// Columns per block: one scale and one offset.
pub const BLOCK: usize = 32;

/// How the quants of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nibbles, 5 bits per weight with scale and offset.
    U4,
    /// Nibbles and a line of fifth bits, 6 bits per weight.
    U5,
    /// Bytes, 9 bits per weight with scale and offset.
    U8,
    /// Nibbles that stand for the quants of a table, 5 bits per weight with scale and offset.
    T4(Table),
}

/// What nibbles stand for: quants as of [`Form::U8`].
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

/// In place of a number of bits, for kernels that are compiled per form: [`Form::T4`].
#[cfg(target_arch = "x86_64")]
pub const LOOKUP: u8 = 0;

impl Form {
    /// Lines of quants per block.
    pub const fn quant_lines(self) -> usize {
        match self {
            Form::U4 | Form::T4(_) => 4,
            Form::U5 => 5,
            Form::U8 => 8,
        }
    }

    /// Lines per block, the scales' line included.
    pub const fn lines(self) -> usize {
        1 + self.quant_lines()
    }

    /// The table of a form that has one; of others, nothing that is looked at.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub const fn table(self) -> &'static [u8; 16] {
        match self {
            Form::T4(table) => table.quants(),
            _ => &[0; 16],
        }
    }

    /// [`Form::lines`] of the form with quants of `bits` bits, for kernels that are compiled per form.
    #[cfg(target_arch = "x86_64")]
    pub const fn lines_of(bits: u8) -> usize {
        match bits {
            4 | LOOKUP => Form::U4.lines(),
            5 => Form::U5.lines(),
            _ => Form::U8.lines(),
        }
    }
}

/// 32 weights of one row: `w = d·q + m`, where a table stands between the nibbles and `q`, to be stored,
/// the nibbles.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub d: f16,
    pub m: f16,
    pub q: [u8; BLOCK],
}

impl Block {
    /// Writes the block as row `row` of a block of lines.
    pub fn store(&self, form: Form, row: usize, lines: &mut [Line]) {
        let scales = &mut lines[0].0;
        scales[2 * row..][..2].copy_from_slice(&self.d.to_le_bytes());
        scales[2 * (TILE + row)..][..2].copy_from_slice(&self.m.to_le_bytes());
        for (g, line) in lines[1..].iter_mut().enumerate() {
            let bytes = &mut line.0[4 * row..][..4];
            match form {
                Form::U4 | Form::U5 | Form::T4(_) if g < 4 => {
                    for (j, byte) in bytes.iter_mut().enumerate() {
                        *byte = self.q[4 * g + j] & 15 | self.q[16 + 4 * g + j] << 4;
                    }
                }
                Form::U4 | Form::U5 | Form::T4(_) => {
                    for (j, byte) in bytes.iter_mut().enumerate() {
                        let fifth = |g: usize| (self.q[4 * g + j] >> 4 & 1) << g;
                        *byte = (0..8).fold(0, |byte, g| byte | fifth(g));
                    }
                }
                Form::U8 => bytes.copy_from_slice(&self.q[4 * g..][..4]),
            }
        }
    }

    /// The inverse of [`Block::store`], with the quants that nibbles stand for.
    pub fn load(form: Form, row: usize, lines: &[Line]) -> Block {
        let half = |at: usize| f16::from_le_bytes([lines[0].0[at], lines[0].0[at + 1]]);
        let mut q = [0; BLOCK];
        for (g, line) in lines[1..].iter().enumerate() {
            let bytes = &line.0[4 * row..][..4];
            match form {
                Form::U4 | Form::U5 | Form::T4(_) if g < 4 => {
                    for (j, byte) in bytes.iter().enumerate() {
                        q[4 * g + j] = byte & 15;
                        q[16 + 4 * g + j] = byte >> 4;
                    }
                }
                Form::U4 | Form::U5 | Form::T4(_) => {
                    for k in 0..BLOCK {
                        q[k] |= (bytes[k % 4] >> (k / 4) & 1) << 4;
                    }
                }
                Form::U8 => q[4 * g..][..4].copy_from_slice(bytes),
            }
        }
        if let Form::T4(table) = form {
            q = q.map(|nibble| table.quants()[usize::from(nibble)]);
        }
        Block {
            d: half(2 * row),
            m: half(2 * (TILE + row)),
            q,
        }
    }
}
