//! The scales before a group of blocks, written and read.

use super::layout::{Form, Line, Scales, TILE};
use crate::model::gguf::quants::mxfp4_scale;
use half::f16;

/// Half a line: f16 numbers of the 16 rows.
type HalfLine = [u8; 2 * TILE];

/// Scales and offsets of a group's blocks, of each row; of [`Scales::Halves`] the scales of half blocks,
/// whose offsets are −32 times them.
#[derive(Debug)]
pub struct Group {
    pub d: [[f32; TILE]; 16],
    pub m: [[f32; TILE]; 8],
    /// Where what was read last stands: residues come back to the same group for each of its blocks.
    of: *const Line,
}

impl Group {
    pub const fn empty() -> Group {
        Group {
            d: [[0.0; TILE]; 16],
            m: [[0.0; TILE]; 8],
            of: std::ptr::null(),
        }
    }

    /// Reads what stands before a group, if it was not the last: plain loops, for the compiler to make the most of the caller's
    /// instructions; `halves` makes f32 of half a line of f16.
    #[inline(always)]
    pub fn read(&mut self, form: Form, lines: &[Line], halves: impl Fn(&HalfLine) -> [f32; TILE]) {
        let of = lines.as_ptr();
        if std::mem::replace(&mut self.of, of) == of {
            return;
        }
        match form.scales {
            Scales::Affine => {
                self.d[0] = halves(half_line(&lines[0], 0));
                self.m[0] = halves(half_line(&lines[0], 1));
            }
            Scales::Centred(by) => {
                for b in 0..2 {
                    self.d[b] = halves(half_line(&lines[0], b));
                    self.m[b] = times(&self.d[b], -f32::from(by));
                }
            }
            Scales::Factors => {
                let d = halves(half_line(&lines[0], 0));
                let m = times(&halves(half_line(&lines[0], 1)), -1.0);
                let of_d = sixes(&lines[1], half_line(&lines[3], 0));
                let of_m = sixes(&lines[2], half_line(&lines[3], 1));
                for (b, (of_d, of_m)) in of_d.iter().zip(&of_m).enumerate() {
                    self.d[b] = by_factors(&d, of_d, 0.0);
                    self.m[b] = by_factors(&m, of_m, 0.0);
                }
            }
            Scales::Halves => {
                let d = halves(half_line(&lines[4], 0));
                for h in 0..16 {
                    let factors = lines[h / 4].0[h % 4 * TILE..].first_chunk();
                    self.d[h] = by_signed(&d, factors.unwrap_or(&[0; TILE]));
                }
            }
            Scales::Signed => {
                let d = halves(half_line(&lines[0], 0));
                let factors = sixes(&lines[1], half_line(&lines[0], 1));
                for (b, factors) in factors.iter().enumerate() {
                    self.d[b] = by_factors(&d, factors, -32.0);
                    self.m[b] = times(&self.d[b], -128.0);
                }
            }
            Scales::Powers => {
                for b in 0..4 {
                    let exponents = lines[0].0[b * TILE..].first_chunk();
                    let power = |r: usize| mxfp4_scale(exponents.map_or(0, |e: &[u8; TILE]| e[r]));
                    self.d[b] = std::array::from_fn(power);
                    self.m[b] = times(&self.d[b], -128.0);
                }
            }
        }
    }

    /// [`Group::read`] with no more than a compiler's own instructions.
    pub fn plain(&mut self, form: Form, lines: &[Line]) {
        self.read(form, lines, |bytes| {
            std::array::from_fn(|r| f16::from_le_bytes([bytes[2 * r], bytes[2 * r + 1]]).to_f32())
        });
    }
}

#[inline(always)]
fn half_line(line: &Line, half: usize) -> &HalfLine {
    // Both halves are there.
    let (first, second) = line.0.split_at(2 * TILE);
    let half = if half == 0 { first } else { second };
    half.try_into().unwrap_or(&[0; 2 * TILE])
}

#[inline(always)]
fn times(x: &[f32; TILE], by: f32) -> [f32; TILE] {
    let mut out = [0.0; TILE];
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x * by);
    out
}

/// The 6-bit numbers of each of eight blocks.
#[inline(always)]
fn sixes(nibbles: &Line, upper: &HalfLine) -> [[u8; TILE]; 8] {
    [
        six::<0>(nibbles, upper),
        six::<1>(nibbles, upper),
        six::<2>(nibbles, upper),
        six::<3>(nibbles, upper),
        six::<4>(nibbles, upper),
        six::<5>(nibbles, upper),
        six::<6>(nibbles, upper),
        six::<7>(nibbles, upper),
    ]
}

/// Those of block `B`; shifts are constants, which bytes in registers want.
#[inline(always)]
fn six<const B: usize>(nibbles: &Line, upper: &HalfLine) -> [u8; TILE] {
    let low = nibbles.0[B % 4 * TILE..]
        .first_chunk()
        .unwrap_or(&[0; TILE]);
    let high = upper[B / 4 * TILE..].first_chunk().unwrap_or(&[0; TILE]);
    let mut out = [0; TILE];
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = (low >> (4 * (B / 4))) & 15 | ((high >> (2 * (B % 4))) & 3) << 4;
    }
    out
}

#[inline(always)]
fn by_factors(x: &[f32; TILE], factors: &[u8; TILE], plus: f32) -> [f32; TILE] {
    let mut out = [0.0; TILE];
    for ((out, x), factor) in out.iter_mut().zip(x).zip(factors) {
        *out = x * (f32::from(*factor) + plus);
    }
    out
}

#[inline(always)]
fn by_signed(x: &[f32; TILE], factors: &[u8; TILE]) -> [f32; TILE] {
    let mut out = [0.0; TILE];
    for ((out, x), factor) in out.iter_mut().zip(x).zip(factors) {
        *out = x * f32::from(factor.cast_signed());
    }
    out
}

/// Writes row `row` of the scales before a group.
pub struct Writer<'a> {
    pub lines: &'a mut [Line],
    pub row: usize,
}

impl Writer<'_> {
    /// An f16 in half line `half`, two to a line.
    pub fn half(&mut self, half: usize, bytes: [u8; 2]) {
        let at = half % 2 * 2 * TILE + 2 * self.row;
        self.lines[half / 2].0[at..at + 2].copy_from_slice(&bytes);
    }

    /// A byte of number `n` of a line or lines of 16 for each.
    pub fn byte(&mut self, line: usize, n: usize, byte: u8) {
        self.lines[line + n / 4].0[n % 4 * TILE + self.row] = byte;
    }

    /// Six bits of block `b`: nibbles in line `line`, the rest in half line `upper`.
    pub fn six(&mut self, line: usize, upper: usize, b: usize, bits: u8) {
        self.lines[line].0[b % 4 * TILE + self.row] |= (bits & 15) << (4 * (b / 4));
        let at = upper % 2 * 2 * TILE + b / 4 * TILE + self.row;
        self.lines[upper / 2].0[at] |= (bits >> 4 & 3) << (2 * (b % 4));
    }
}
