//! Attention over the ragged cache.
//!
//! One algorithm serves prefill and decode: a work item is a tile of query rows of one KV head
//! against a range of that head's pages, with online softmax; tiles whose pages were cut are merged
//! afterwards. Nothing is ever `rows × len`. [`plain`] is the same in ten obvious lines.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod bf16;
pub(super) mod gemm;
mod pairs;
pub mod plain;
mod plan;
mod scores;
mod scratch;
pub(super) mod simd;
mod tile;

use super::pool::Pool;
use super::shared::Chunks;
use crate::cache::{HostLayer, KvElement};
use crate::model::shape::Span;
use plan::Plan;
use scratch::Scratch;
pub use simd::Level;
use simd::{Simd, Task};
use std::any::TypeId;
use std::cell::Cell;
use std::sync::OnceLock;
use tile::{Call, Item, Shape, sweep};

pub use crate::policy::HeadScores;

/// How query rows look at a layer. Row `r` of KV head `h` sees that head's first
/// `len_h − behind − (rows − 1 − r)` entries, and of those the newest `window`, as `span` says;
/// query head `i` belongs to KV head `i / (heads / kv_heads)`.
#[derive(Clone, Copy, Debug)]
pub struct Queries<'a> {
    /// `[rows, heads, head_dim]` after RoPE.
    pub q: &'a [f32],
    pub rows: usize,
    pub heads: usize,
    /// What products of queries and keys are multiplied by.
    pub scale: f32,
    /// Scores are squashed to `c · tanh(score / c)`.
    pub soft_cap: Option<f32>,
    /// One score per query head, `[heads]`, that takes its part of the softmax and has no value.
    pub sinks: Option<&'a [f32]>,
    pub span: Span,
}

impl<'a> Queries<'a> {
    /// The last `rows` positions of a layer, whose own keys are already appended.
    pub fn last(q: &'a [f32], rows: usize, heads: usize, scale: f32) -> Self {
        Queries {
            q,
            rows,
            heads,
            scale,
            soft_cap: None,
            sinks: None,
            span: Span::default(),
        }
    }
}

/// Attention of rows that are read, over each head's entries, causal; `out` is `[rows, heads, head_dim]`.
pub fn attend<T: KvElement>(pool: &Pool, layer: &HostLayer<T>, queries: &Queries, out: &mut [f32]) {
    attend_with(fastest(), pool, layer, queries, out);
}

/// Attention of rows that are decoded, in f32, each as if none had come behind it: bit for bit what it
/// would have been alone.
pub fn attend_one_by_one<T: KvElement>(
    pool: &Pool,
    layer: &HostLayer<T>,
    queries: &Queries,
    out: &mut [f32],
) {
    attend_one_by_one_with(fastest(), pool, layer, queries, out);
}

/// [`attend_one_by_one`] with a given instruction set.
pub fn attend_one_by_one_with<T: KvElement>(
    level: Level,
    pool: &Pool,
    layer: &HostLayer<T>,
    queries: &Queries,
    out: &mut [f32],
) {
    let call = Call { layer, queries };
    if call.check().is_none() {
        return;
    }
    let width = queries.q.len() / queries.rows;
    for rows in plan::alike(&call) {
        let some = rows.start * width..rows.end * width;
        let span = Span {
            behind: queries.span.behind + queries.rows - rows.end,
            ..queries.span
        };
        let queries = &Queries {
            q: &queries.q[some.clone()],
            rows: rows.len(),
            span,
            ..*queries
        };
        let call = Call { layer, queries };
        let plan = Plan::of_each(&call, pool.threads());
        run(level, Way::Floats, pool, &call, &plan, &mut out[some]);
    }
}

/// Scores of every KV head's entries for the queries of the observation window, the layer's last
/// rows.
pub fn window_scores<T: KvElement>(
    pool: &Pool,
    layer: &HostLayer<T>,
    queries: &Queries,
) -> Vec<HeadScores> {
    window_scores_with(fastest(), pool, layer, queries)
}

/// [`attend`] with a given instruction set.
pub fn attend_with<T: KvElement>(
    level: Level,
    pool: &Pool,
    layer: &HostLayer<T>,
    queries: &Queries,
    out: &mut [f32],
) {
    let call = Call { layer, queries };
    if call.check().is_some() {
        let way = Way::of::<T>(level);
        let plan = Plan::new(&call, pool.threads(), way != Way::Floats);
        run(level, way, pool, &call, &plan, out);
    }
}

/// What the products of an item are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Floats,
    /// Pairs of 16-bit integers.
    Pairs,
    /// Tiles of bf16.
    Tiles,
}

impl Way {
    /// Of rows that are read: one way for all of them, so that a row does not depend on how many are read with
    /// it. The exact mode's entries are f32.
    fn of<T: KvElement>(level: Level) -> Way {
        match TypeId::of::<T>() == TypeId::of::<f32>() {
            false if level.has_tiles() => Way::Tiles,
            false if level.has_pairs() => Way::Pairs,
            _ => Way::Floats,
        }
    }
}

/// Runs a plan with an instruction set.
fn run<T: KvElement>(
    level: Level,
    way: Way,
    pool: &Pool,
    call: &Call<T>,
    plan: &Plan,
    out: &mut [f32],
) {
    assert_eq!(out.len(), call.queries.q.len(), "attention output");
    let dim = out.len() / (call.queries.rows * call.queries.heads);
    let group = call.group();
    let outputs = Chunks::new(out, group * dim);
    let whole = plan.items.len() == plan.tiles.len();
    // A part is `[stacked, dim]` outputs, then maxima, then sums.
    let part = plan.most_rows() * group * (dim + 2);
    let mut parts = PARTS.take();
    let needed = if whole { 0 } else { part * plan.items.len() };
    if parts.len() < needed {
        parts.resize(needed, 0.0);
    }
    let chunks = Chunks::new(&mut parts[..needed], part);
    plan.run(pool, |i| {
        let item = &plan.items[i];
        let output = Output {
            outputs: &outputs,
            part: chunks.claim(i),
        };
        match way {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Way::Tiles => bf16::attend(call, item, output),
            Way::Pairs => level.run_pairs(pairs::Attend { call, item, output }),
            _ => level.run(Attend { call, item, output }),
        }
    });
    drop(chunks);
    if !whole {
        for tile in &plan.tiles {
            let parts = &parts[tile.start * part..tile.end * part];
            merge(call, &plan.items[tile.start], parts, part, &outputs);
        }
    }
    PARTS.set(parts);
}

/// [`window_scores`] with a given instruction set.
pub fn window_scores_with<T: KvElement>(
    level: Level,
    pool: &Pool,
    layer: &HostLayer<T>,
    queries: &Queries,
) -> Vec<HeadScores> {
    let call = Call { layer, queries };
    match call.check() {
        Some(_) => scores::window_scores(level, pool, &call),
        None => vec![HeadScores::default(); layer.heads.len()],
    }
}

thread_local! {
    /// The partial results of one call, kept for the next.
    static PARTS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

fn fastest() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(Level::detect)
}

/// One item in f32.
struct Attend<'a, 'b, T> {
    call: &'a Call<'b, T>,
    item: &'a Item,
    output: Output<'a>,
}

impl<T: KvElement> Task for Attend<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (call, item) = (self.call, self.item);
        let dim = call.layer.heads[item.head].head_dim();
        let shape = Shape::new::<S>(item.rows.len() * call.group(), dim);
        let mut scratch = Scratch::take();
        let [q, scores, keys, values, out, max, sum] = scratch.carve(shape.lengths());
        let buffers = [q, scores, keys, values, &mut *out, &mut *max, &mut *sum];
        sweep(s, call, item, &shape, buffers);
        let (max, sum) = (&max[..shape.m], &mut sum[..shape.m]);
        self.output.write(call, item, (out, shape.ldo), max, sum);
    }
}

/// Where an item's result goes: to its part if it has one, else as finished rows to the outputs.
struct Output<'a> {
    outputs: &'a Chunks<'a, f32>,
    part: Option<&'a mut [f32]>,
}

impl Output<'_> {
    /// Rows `[stacked, ldo]` that are to be divided by `sum`, and the maxima they are relative to.
    fn write<T: KvElement>(
        self,
        call: &Call<T>,
        item: &Item,
        (rows, ldo): (&[f32], usize),
        max: &[f32],
        sum: &mut [f32],
    ) {
        let (m, dim) = (max.len(), call.layer.heads[item.head].head_dim());
        let rows = rows.chunks_exact(ldo).take(m);
        if let Some(part) = self.part {
            let (to, rest) = part.split_at_mut(m * dim);
            for (to, row) in to.chunks_exact_mut(dim).zip(rows) {
                to.copy_from_slice(&row[..dim]);
            }
            rest[..m].copy_from_slice(max);
            rest[m..2 * m].copy_from_slice(sum);
            return;
        }
        for (m, (sum, max)) in sum.iter_mut().zip(max).enumerate() {
            *sum += call.sunk(item.head, m, *max);
        }
        let mut rows = rows.zip(&*sum);
        for row in item.rows.clone() {
            let chunk = row * call.layer.heads.len() + item.head;
            let to = self.outputs.claim(chunk).unwrap_or_default();
            for (to, (row, sum)) in to.chunks_exact_mut(dim).zip(&mut rows) {
                for (to, x) in to.iter_mut().zip(row) {
                    *to = x / sum;
                }
            }
        }
    }
}

/// Joins one tile's partial softmaxes: Σ eᵐ⁻ᴹ·out ÷ (Σ eᵐ⁻ᴹ·sum + what the sink takes).
fn merge<T: KvElement>(
    call: &Call<T>,
    tile: &Item,
    parts: &[f32],
    part: usize,
    outputs: &Chunks<f32>,
) {
    let (group, dim) = (call.group(), call.layer.heads[tile.head].head_dim());
    let stacked = tile.rows.len() * group;
    let parts = || parts.chunks_exact(part);
    for (i, row) in tile.rows.clone().enumerate() {
        let chunk = row * call.layer.heads.len() + tile.head;
        let to = outputs.claim(chunk).unwrap_or_default();
        for (m, to) in (i * group..).zip(to.chunks_exact_mut(dim)) {
            let max_of = |p: &[f32]| p[stacked * dim + m];
            let max = parts().map(max_of).fold(f32::NEG_INFINITY, f32::max);
            to.fill(0.0);
            let mut sum = 0.0;
            for p in parts() {
                let weight = (max_of(p) - max).exp();
                sum += weight * p[stacked * (dim + 1) + m];
                for (to, x) in to.iter_mut().zip(&p[m * dim..(m + 1) * dim]) {
                    *to += weight * x;
                }
            }
            sum += call.sunk(tile.head, m, max);
            to.iter_mut().for_each(|x| *x /= sum);
        }
    }
}

#[cfg(test)]
mod tests;
