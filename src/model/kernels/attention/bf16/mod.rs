//! Attention of rows that are read, on the matrix unit ([`amx`](crate::model::kernels::amx)): the tile's third way, over a cache of 16 bits.
//!
//! Queries and keys are sums of two bf16 numbers each, of which all products but those of the lower ones are
//! taken: a score is off by 2⁻¹⁶ of |q|·|k|. Weights and values are one bf16, of 8 bits; sums are f32. Entries are
//! taken 256 at a time, from a multiple of that on, so that what a row comes to depends on nothing but what it sees.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

mod panels;
mod queries;
mod sweep;
mod weights;

use super::Output;
use super::simd::Avx512;
use super::tile::{Call, Item};
use crate::cache::KvElement;
use crate::model::kernels::amx::{DEPTH, LINES, SIDE, Sums, Unit};
use crate::model::kernels::region::Line;
use panels::Panels;
use queries::Stacked;
use std::cell::Cell;
use std::f32::consts::LN_2;
use sweep::State;

/// Entries of a block.
const ENTRIES: usize = 256;
/// Rows, entries, or numbers of a value that are multiplied at once: two tiles.
const PAIR: usize = 2 * SIDE;
/// Pairs of tiles of a block's entries; and tiles of its depth, where they are that.
const PAIRS: usize = ENTRIES / PAIR;

const _: () = assert!(DEPTH == PAIR);

/// What a thread keeps from one item to the next.
#[derive(Default)]
struct Buffers {
    queries: Vec<Line>,
    keys: Vec<Line>,
    values: Vec<Line>,
    weights: Vec<Line>,
    scores: Vec<Sums>,
    sums: Vec<Sums>,
    rows: Vec<f32>,
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// How an item's matrices are laid out.
#[derive(Clone, Copy)]
struct Shape {
    /// Stacked rows.
    m: usize,
    dim: usize,
    /// Pairs of row tiles.
    row_pairs: usize,
    /// Tiles of a query's or key's depth; pairs of tiles of a value.
    deep: usize,
}

/// One item, see [`super::Attend`]. The CPU must have the unit.
pub(super) fn attend<T: KvElement>(call: &Call<T>, item: &Item, output: Output) {
    let Some(unit) = Unit::take() else { return };
    // SAFETY: the unit is there, and with it what this needs.
    unsafe { run(unit, Avx512::new(), call, item, output) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
unsafe fn run<T: KvElement>(unit: Unit, s: Avx512, call: &Call<T>, item: &Item, output: Output) {
    let dim = call.layer.heads[item.head].head_dim();
    let m = item.rows.len() * call.group();
    let (row_pairs, deep) = (m.div_ceil(PAIR), dim.div_ceil(DEPTH));
    let shape = Shape {
        m,
        dim,
        row_pairs,
        deep,
    };
    let mut all = BUFFERS.take();
    let lines = |of: &mut Vec<Line>, tiles: usize| {
        of.resize(of.len().max(tiles * LINES), Line([0; 64]));
    };
    lines(&mut all.queries, row_pairs * 2 * 2 * deep);
    lines(&mut all.keys, PAIRS * 2 * 2 * deep);
    lines(&mut all.values, deep * 2 * PAIRS);
    lines(&mut all.weights, 2 * PAIRS);
    all.scores.resize(PAIRS, Sums::ZERO);
    all.sums.clear();
    all.sums.resize(row_pairs * deep, Sums::ZERO);
    let queries = Stacked::new(call, item, &shape, &mut all.queries);
    let padded = row_pairs * PAIR;
    let mut max = vec![f32::NEG_INFINITY; padded];
    let mut sums = vec![0.0; padded];
    let mut state = State {
        unit,
        call,
        item,
        shape,
        queries,
        panels: Panels::new(&shape, &mut all.keys, &mut all.values),
        scores: &mut all.scores,
        weights: &mut all.weights,
        out: &mut all.sums,
        max: &mut max,
        sums: &mut sums,
    };
    // SAFETY: the caller's promise.
    unsafe { state.sweep(s) };
    max.iter_mut().for_each(|x| *x *= LN_2);
    let ldo = deep * PAIR;
    all.rows.resize(all.rows.len().max(m * ldo), 0.0);
    for (i, row) in all.rows.chunks_exact_mut(ldo).enumerate().take(m) {
        let pairs = &all.sums[i / PAIR * deep..][..deep];
        for (to, pair) in row.chunks_exact_mut(PAIR).zip(pairs) {
            to.copy_from_slice(&pair.0[i % PAIR]);
        }
    }
    output.write(call, item, (&all.rows, ldo), &max[..m], &mut sums[..m]);
    BUFFERS.set(all);
}
