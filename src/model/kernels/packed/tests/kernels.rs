//! Every kernel of this CPU against the portable one.

use super::super::layout::{self, Line};
use super::*;

/// Every form there is, and one that only some forms have.
const FORMS: [Form; 11] = {
    use layout::Table::{Iq4, Mxfp4};
    use layout::{Quants::*, Scales::*};
    const fn form(quants: layout::Quants, scales: layout::Scales) -> Form {
        Form { quants, scales }
    }
    [
        form(U4, Affine),
        form(U4, Centred(8)),
        form(U4, Factors),
        form(U5, Centred(16)),
        form(U5, Factors),
        form(U6, Halves),
        form(U8, Affine),
        form(U8, Centred(128)),
        form(T4(Iq4), Centred(128)),
        form(T4(Iq4), Signed),
        form(T4(Mxfp4), Powers),
    ]
};

/// A tile of quants from `byte`, and scales that weights could have.
fn tile_of(form: Form, blocks: usize, byte: impl Fn(usize) -> u8) -> Vec<Line> {
    let mut lines = vec![Line([0; 64]); form.lines(blocks)];
    let bytes = lines.iter_mut().flat_map(|line| &mut line.0);
    bytes.enumerate().for_each(|(i, to)| *to = byte(i));
    let half = |at: usize| half::f16::from_f32(0.01 + 0.001 * (at % 7) as f32).to_le_bytes();
    for block in (0..blocks).step_by(form.scales.group()) {
        let at = form.scales_at(block);
        let halves: &[usize] = match form.scales {
            layout::Scales::Halves => &[8],
            layout::Scales::Signed => &[0],
            layout::Scales::Powers => &[],
            _ => &[0, 1],
        };
        for row in 0..TILE {
            let scales = &mut lines[at..at + form.scales.lines()];
            let mut writer = scales::Writer { lines: scales, row };
            for h in halves {
                writer.half(*h, half(block + row + h));
            }
            if form.scales == layout::Scales::Powers {
                (0..4).for_each(|b| writer.byte(0, b, 116 + (row + b) as u8 % 5));
            }
        }
    }
    lines
}

/// Every kernel of this CPU against the portable one, on tiles made of `byte` and activations of `x`.
fn agree(form: Form, blocks: usize, m: usize, byte: impl Fn(usize) -> u8, x: &[f32]) {
    let pool = Pool::new(1);
    let lines = tile_of(form, blocks, byte);
    let activations = activations::Activations::quantize(&pool, x, blocks * BLOCK, residue::COARSE);
    let panel = activations.panel(0);
    assert_eq!(panel.rows, m);
    let tile = Tile {
        form,
        lines: &lines,
        blocks: 0..blocks,
    };
    let mut want = vec![[f32::NAN; TILE]; m];
    portable::tile(&tile, &mut scales::Group::empty(), panel, &mut want);
    let largest = want.as_flattened().iter().fold(0f32, |a, x| a.max(x.abs()));
    for kernel in Kernel::available() {
        let mut got = vec![[f32::NAN; TILE]; m];
        (kernel.tile)(&tile, &mut scales::Group::empty(), panel, &mut got);
        let distance = distance(got.as_flattened(), want.as_flattened());
        // What is centred is the difference of larger numbers.
        let bound = 3e-5 * largest;
        assert!(
            distance <= bound,
            "{} {form:?} m = {m}: {distance} > {bound}",
            kernel.name
        );
    }
}

#[test]
fn every_kernel_agrees_with_the_portable_one() {
    for form in FORMS {
        let rows: &[usize] = match cfg!(miri) {
            true => &[1],
            false => &[1, 2, 3, 4, 5, 7, 8, 63, 64],
        };
        for &m in rows {
            // A group that is full, and one that is not.
            let blocks = form.scales.group() + 1;
            let x = noise(m * blocks * BLOCK, m as u32);
            let random = noise(form.lines(blocks) * 64, 77);
            agree(form, blocks, m, |at| (random[at].abs() * 256.0) as u8, &x);
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn no_kernel_saturates_at_the_extremes() {
    for form in FORMS {
        for m in [1, 4, 6] {
            for x in [-3.0, 3.0] {
                let x = vec![x; m * 2 * BLOCK];
                agree(form, 2, m, |_| 255, &x);
                agree(form, 2, m, |_| 0, &x);
                agree(form, 2, m, |at| at as u8 % 2 * 255, &x);
            }
            agree(form, 2, m, |_| 255, &vec![0.0; m * 2 * BLOCK]);
        }
    }
}

/// A block by itself, as residues are multiplied, is that block of the whole.
#[test]
fn blocks_of_a_tile_add_up_to_it() {
    let pool = Pool::new(1);
    // A checker of memory gets through few.
    for form in FORMS.into_iter().step_by(if cfg!(miri) { 4 } else { 1 }) {
        let blocks = 2 * form.scales.group() + 1;
        let random = noise(form.lines(blocks) * 64, 78);
        let lines = tile_of(form, blocks, |at| (random[at].abs() * 256.0) as u8);
        let x = noise(blocks * BLOCK, 5);
        let quantize =
            |x: &[f32]| activations::Activations::quantize(&pool, x, x.len(), residue::COARSE);
        for kernel in Kernel::available() {
            let run = |blocks, x: &[f32]| {
                let mut out = [[f32::NAN; TILE]];
                let lines = &lines;
                let tile = Tile {
                    form,
                    lines,
                    blocks,
                };
                (kernel.tile)(
                    &tile,
                    &mut scales::Group::empty(),
                    quantize(x).panel(0),
                    &mut out,
                );
                out[0]
            };
            let whole = run(0..blocks, &x);
            let mut sum = [0.0; TILE];
            for block in 0..blocks {
                let part = run(block..block + 1, &x[block * BLOCK..][..BLOCK]);
                sum.iter_mut()
                    .zip(part)
                    .for_each(|(sum, part)| *sum += part);
            }
            let largest = whole.iter().fold(0f32, |a, x| a.max(x.abs()));
            let off = distance(&whole, &sum);
            assert!(off <= 1e-4 * largest, "{} {form:?}: {off}", kernel.name);
        }
    }
}

/// Bit for bit, also where some blocks of some rows are coarse: what is drafted is verified by this.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_row_is_the_same_whatever_rows_are_beside_it() {
    let pool = Pool::new(2);
    for dtype in LOSSLESS {
        let (rows, cols) = (35, 768);
        let (bytes, _) = tensor(dtype, rows, cols, 3);
        let packed = PackedMatrix::from_ggml(dtype, rows, cols, &bytes).unwrap();
        let mut x = noise(9 * cols, 4);
        for row in 0..9 {
            // In other places, and in some rows in none.
            for at in (0..cols).step_by(97 + 31 * row).take(row % 4) {
                x[row * cols + (at * 7 + row * 211) % cols] *= 40.0;
            }
        }
        for kernel in Kernel::available() {
            let product = |x: &[f32]| {
                let mut out = vec![f32::NAN; x.len() / cols * rows];
                packed.matmul_with(*kernel, &pool, x, &mut out);
                out
            };
            let alone: Vec<f32> = x.chunks(cols).flat_map(product).collect();
            for m in 2..=9 {
                let together = product(&x[..m * cols]);
                let alone = &alone[..m * rows];
                assert_eq!(together, alone, "{} {dtype:?} m = {m}", kernel.name);
            }
        }
    }
}
