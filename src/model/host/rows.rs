//! Activations on the CPU.

use std::any::TypeId;

use crate::cache::QueryWindow;
use crate::model::kernels::{attention::Queries, packed::Precision};
use crate::model::shape::{AttentionShape, Span};

/// Activations, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct Rows {
    pub data: Vec<f32>,
    pub rows: usize,
    /// What products take of them.
    pub precision: Precision,
}

/// Conversations of up to so many tokens are read with activations of 16 bits in place of 8, or of bf16: it
/// takes some tens of milliseconds. Not single tokens, decoding would take two thirds longer.
const SHORT: usize = 64;

/// What products take of rows that are read behind `before` others, or decoded: by all that was said, so
/// that a question is judged alike whatever was read before.
pub fn precision(rows: usize, before: Option<usize>) -> Precision {
    match before {
        Some(before) if rows > 1 && before + rows <= SHORT => Precision::Sixteen,
        Some(_) => Precision::Many,
        None => Precision::Eight,
    }
}

/// Of what is read, over a cache of `T`, as it is told to archives.
pub fn read_in<T: 'static>(exact: bool) -> &'static str {
    let floats = exact && TypeId::of::<T>() == TypeId::of::<f32>();
    match !floats && Precision::many_is_bf16() {
        true => ", read in bf16",
        false => "",
    }
}

/// Multiply–adds of a layer that may pass until a stop is heard.
pub fn passing(exact: bool) -> usize {
    match !exact && Precision::many_is_bf16() {
        true => 24_000_000_000,
        false => 6_000_000_000,
    }
}

impl Rows {
    pub fn new(data: Vec<f32>, rows: usize, precision: Precision) -> Rows {
        Rows {
            data,
            rows,
            precision,
        }
    }

    pub fn width(&self) -> usize {
        self.data.len() / self.rows.max(1)
    }
}

/// Of each row, seen as runs of `every` numbers, those `len` of each run that stand behind `from`.
pub fn columns(x: &Rows, every: usize, from: usize, len: usize) -> Rows {
    let mut data = Vec::with_capacity(x.data.len() / every.max(1) * len);
    for run in x.data.chunks_exact(every.max(1)) {
        data.extend_from_slice(&run[from..from + len]);
    }
    Rows { data, ..*x }
}

/// `[x | y]`
pub fn beside(x: &Rows, y: &Rows) -> Rows {
    let mut data = Vec::with_capacity(x.data.len() + y.data.len());
    let rows = x.data.chunks_exact(x.width().max(1));
    for (x, y) in rows.zip(y.data.chunks_exact(y.width().max(1))) {
        data.extend_from_slice(x);
        data.extend_from_slice(y);
    }
    Rows { data, ..*x }
}

/// Rows as the attention kernels take them.
pub fn queries<'a>(
    a: &AttentionShape,
    q: &'a Rows,
    span: Span,
    sinks: Option<&'a Vec<f32>>,
) -> Queries<'a> {
    Queries {
        q: &q.data,
        rows: q.rows,
        heads: a.heads,
        scale: a.scale,
        soft_cap: a.soft_cap,
        sinks: sinks.map(Vec::as_slice),
        span,
    }
}

/// The window's queries as rows.
pub fn window_rows(window: &QueryWindow<Vec<f32>>) -> Rows {
    let rows = window.rows();
    Rows {
        data: rows.iter().flatten().copied().collect(),
        rows: rows.len(),
        precision: Precision::default(),
    }
}
