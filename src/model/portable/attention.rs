//! Attention over a layer's entries. Queries come scaled and in the cache's type, and products of
//! them are made in it: on GPUs the scores a product gives are summed in f32 and rounded once, which
//! f16 does eight times finer than bf16. Only what is read back is turned to f32 before the softmax.

use candle_core::{D, DType, Result, Tensor};

use super::masks::{Causal, Masks};
use crate::cache::{
    TensorLayer,
    tensor::{Aligned, Entries},
};
use crate::device::ops;
use crate::model::shape::{AttentionShape, Span};

/// Scores held at once at most: rows are taken so many at a time.
const SCORES: usize = 1 << 26;

/// Attention of the rows `q`, `[rows, heads × head_dim]`, in the same shape.
pub fn attend(
    a: &AttentionShape,
    masks: &Masks,
    layer: &TensorLayer,
    q: &Tensor,
    span: Span,
    sinks: Option<&Tensor>,
) -> Result<Tensor> {
    let rows = q.dim(0)?;
    if rows == 1 && span == Span::default() {
        return single(a, layer, q, sinks);
    }
    let all = layer.aligned()?;
    let longest = all.keys.dim(1)?;
    let at_once = (SCORES / (a.heads * longest.max(1))).clamp(1, rows);
    let pieces = (0..rows).step_by(at_once).map(|start| {
        let n = at_once.min(rows - start);
        let span = Span {
            behind: span.behind + rows - start - n,
            ..span
        };
        let q = by_kv_head(a, &q.narrow(0, start, n)?)?;
        let look = Look {
            rows: n,
            span,
            sinks,
            fine: None,
        };
        let (weights, values) = weighed(a, masks, &all, &q, look)?;
        let out = ops::matmul(&weights, &values)?;
        let out = out.reshape((a.heads, n, a.head_dim))?.transpose(0, 1)?;
        ops::contiguous(&out)?.reshape((n, a.heads * a.head_dim))
    });
    ops::cat(&pieces.collect::<Result<Vec<_>>>()?, 0)
}

/// Attention of one row that sees everything: a decoded token's.
fn single(
    a: &AttentionShape,
    layer: &TensorLayer,
    q: &Tensor,
    sinks: Option<&Tensor>,
) -> Result<Tensor> {
    let out = match layer.entries_in_place()? {
        Entries::Even(keys, values) => {
            let q = q.reshape((a.kv_heads, a.group(), a.head_dim))?;
            let scores = capped(a, ops::matmul(&q, &keys.t()?)?)?;
            ops::matmul(&softmax(a, &scores, sinks)?, &values)?
        }
        Entries::Ragged(keys, values, owners) => {
            let rows = keys.dim(0)?;
            let q = q.reshape((a.heads, a.head_dim))?;
            let scores = capped(a, ops::matmul(&q, &keys.t()?)?)?;
            let scores = scores.reshape((a.kv_heads, a.group(), rows))?;
            let scores = ops::add_repeated(&scores, &owners.unsqueeze(1)?)?;
            let weights = softmax(a, &scores, sinks)?.reshape((a.heads, rows))?;
            ops::matmul(&weights, &values)?
        }
    };
    out.reshape((1, a.heads * a.head_dim))
}

/// Of the window's queries `q`, `[rows, heads × head_dim]`, the mean weight of each entry over a
/// KV head's queries, and the greatest if `peak`: `[1 or 2, kv_heads, longest]` in f32.
pub fn judged(
    a: &AttentionShape,
    masks: &Masks,
    all: &Aligned,
    q: &Tensor,
    peak: bool,
    sinks: Option<&Tensor>,
) -> Result<Tensor> {
    let look = Look {
        rows: q.dim(0)?,
        span: Span::default(),
        sinks,
        fine: Some(DType::F32),
    };
    let q = by_kv_head(a, q)?;
    let (weights, _) = weighed(a, masks, all, &q, look)?;
    let mean = ops::mean(&weights, 1)?.unsqueeze(0)?;
    match peak {
        true => ops::cat(&[mean, ops::max(&weights, 1)?.unsqueeze(0)?], 0),
        false => Ok(mean),
    }
}

/// `[rows, heads × head_dim]` as `[kv_heads, group × rows, head_dim]`.
fn by_kv_head(a: &AttentionShape, q: &Tensor) -> Result<Tensor> {
    let rows = q.dim(0)?;
    let q = q.reshape((rows, a.heads, a.head_dim))?.transpose(0, 1)?;
    ops::contiguous(&q)?.reshape((a.kv_heads, a.group() * rows, a.head_dim))
}

/// How rows look at a layer.
struct Look<'a> {
    rows: usize,
    span: Span,
    sinks: Option<&'a Tensor>,
    /// What the softmax is computed in, if not what the cache is held in.
    fine: Option<DType>,
}

/// Softmax weights of `q`, `[kv_heads, group × rows, head_dim]`, over the entries that any of its
/// rows sees, and these entries' values.
fn weighed(
    a: &AttentionShape,
    masks: &Masks,
    all: &Aligned,
    q: &Tensor,
    look: Look<'_>,
) -> Result<(Tensor, Tensor)> {
    let Look { rows, span, .. } = look;
    let end = all.keys.dim(1)?.saturating_sub(span.behind);
    let seen_by_first = end.saturating_sub(rows - 1);
    let first = span.window.map_or(0, |w| seen_by_first.saturating_sub(w));
    let len = end - first;
    let keys = all.keys.narrow(1, first, len)?;
    let scores = capped(a, ops::matmul(q, &keys.t()?)?)?;
    let mut scores = scores.reshape((a.kv_heads, a.group() * rows, len))?;
    if rows > 1 {
        let window = span.window.filter(|w| *w < len);
        let mask = masks.causal(Causal { rows, len, window })?;
        let by_row = scores.reshape((a.heads, rows, len))?;
        let by_row = ops::add_repeated(&by_row, &mask)?;
        scores = by_row.reshape((a.kv_heads, a.group() * rows, len))?;
    }
    if let Some(before) = &all.before {
        let before: Vec<usize> = before.iter().map(|n| n.saturating_sub(first)).collect();
        scores = ops::add_repeated(&scores, &masks.before(&before, len)?)?;
    }
    debug_assert_eq!(scores.dim(D::Minus1)?, len);
    let scores = ops::cast(&scores, look.fine.unwrap_or(scores.dtype()))?;
    let weights = softmax(a, &scores, look.sinks)?;
    Ok((weights, all.values.narrow(1, first, len)?))
}

/// Softmax of `scores`, `[kv_heads, group × rows, len]`; `sinks`, `[heads]`, take part as one more
/// entry of each row, which is then left out.
fn softmax(a: &AttentionShape, scores: &Tensor, sinks: Option<&Tensor>) -> Result<Tensor> {
    let Some(sinks) = sinks else {
        return ops::softmax(scores);
    };
    let (kv_heads, stacked, len) = scores.dims3()?;
    let rows = stacked / a.group();
    let sinks = ops::cast(sinks, scores.dtype())?.reshape((a.heads, 1, 1))?;
    let sinks = ops::contiguous(&sinks.broadcast_as((a.heads, rows, 1))?)?;
    let sinks = sinks.reshape((kv_heads, stacked, 1))?;
    let weights = ops::softmax(&ops::cat(&[scores.clone(), sinks], 2)?)?;
    ops::contiguous(&weights.narrow(2, 0, len)?)
}

/// Scores under the layer's soft cap.
fn capped(a: &AttentionShape, scores: Tensor) -> Result<Tensor> {
    let Some(cap) = a.soft_cap.map(f64::from) else {
        return Ok(scores);
    };
    ops::affine(
        &ops::tanh(&ops::affine(&scores, 1.0 / cap, 0.0)?)?,
        cap,
        0.0,
    )
}
