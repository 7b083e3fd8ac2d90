//! Activations on the CPU.

use crate::cache::QueryWindow;
use crate::model::kernels::attention::Queries;
use crate::model::shape::{AttentionShape, Span};

/// Activations, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct Rows {
    pub data: Vec<f32>,
    pub rows: usize,
    /// Of a short prompt: products take all of their precision.
    pub fine: bool,
}

/// Conversations of up to so many tokens are read with activations of 16 bits in place of 8: it
/// takes some tens of milliseconds. Not single tokens, decoding would take two thirds longer.
pub const SHORT: usize = 64;

impl Rows {
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
        fine: false,
    }
}
