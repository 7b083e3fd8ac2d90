//! The CPU backend: plain slices and this project's own kernels.

mod append;
mod experts;
mod projected;
mod rows;
mod states;
mod weight;

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use experts::Experts;
pub use rows::Rows;
use rows::{columns, passing, precision, queries, read_in, window_rows};
use states::Numbers;
use weight::{Embedding, Linear, Weight, mapped_rows, weight_data};

use super::{
    backend::{Backend, DeltaGates, HeadNorms, Place},
    description::Description,
    error::Result,
    gguf::GgufFile,
    kernels::{attention, ops, pool::Pool},
    rope::{Angles, Rope},
    shape::{AttentionShape, ConvolutionShape, DeltaShape, ExpertsShape, Gate, Span},
    weights::{self, Scaled},
};
use crate::cache::{HostLayer, KvElement, LayerState, QueryWindow};
use crate::policy::{Needs, Observed};

/// Threads and precision; `T` is the cache's element type.
pub struct Host<T> {
    pool: Pool,
    exact: bool,
    element: PhantomData<T>,
}

impl<T> Host<T> {
    /// `exact` keeps the weights in f32.
    pub fn new(threads: usize, exact: bool) -> Self {
        Host {
            pool: Pool::new(threads),
            exact,
            element: PhantomData,
        }
    }
}

impl<T: KvElement> Backend for Host<T> {
    type Rows = Rows;
    type Linear = Linear;
    type Vector = Vec<f32>;
    type Embedding = Embedding;
    type Experts = Experts;
    type Angles = Angles;
    type Layer = HostLayer<T>;

    fn device(&self) -> String {
        "cpu".into()
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        (T::NAME, std::mem::size_of::<T>())
    }

    fn exact(&self) -> bool {
        self.exact
    }

    fn precision(&self) -> String {
        format!(
            "host {} exact: {}{}",
            T::NAME,
            self.exact,
            read_in::<T>(self.exact)
        )
    }

    fn rows_are_alike(&self) -> bool {
        true
    }

    fn block_rows(&self, d: &Description) -> usize {
        // Nearly all experts are read for a block, each for its few rows.
        let routed = d.layers.iter().any(|layer| layer.experts.is_some());
        let least = if routed { 256 } else { 32 };
        (passing(self.exact) / d.layer_macs().max(1))
            .clamp(least, 256)
            .next_multiple_of(32)
    }

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
    ) -> Result<Linear> {
        let behind = weights::behind(file, parts, scaled)?;
        Ok(Linear {
            weight: Weight::load(file, parts, inputs, self.exact)?,
            scales: behind.scales.unwrap_or_default(),
            bias: behind.bias.unwrap_or_default(),
        })
    }

    fn load_slice(
        &self,
        file: &GgufFile,
        name: &str,
        shape: [usize; 3],
        index: usize,
    ) -> Result<Linear> {
        let (dtype, bytes) = weights::slice_of(file, name, shape, index)?;
        let [_, outputs, inputs] = shape;
        Ok(Linear {
            weight: Weight::of(&[(dtype, outputs, bytes)], inputs, self.exact)?,
            scales: Vec::new(),
            bias: Vec::new(),
        })
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
        weights::vector(file, name, len)
    }

    fn vector(&self, host: Vec<f32>) -> Result<Vec<f32>> {
        Ok(host)
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Embedding> {
        if d.tied {
            return Ok(Embedding::Tied);
        }
        weight_data(file, "token_embd", d.vocabulary, d.hidden)?;
        Ok(Embedding::Mapped(file.clone()))
    }

    fn load_experts(
        &self,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        hidden: usize,
    ) -> Result<Experts> {
        Experts::load(file, block, e, hidden, self.exact)
    }

    fn load_all<L: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<L> + Sync),
    ) -> Result<Vec<L>> {
        let loaded: Vec<Mutex<Option<Result<L>>>> = (0..n).map(|_| Mutex::new(None)).collect();
        self.pool.run(n, |i| {
            let item = load(i);
            if let Ok(mut slot) = loaded[i].lock() {
                *slot = Some(item);
            }
        });
        let items = loaded
            .into_iter()
            .filter_map(|slot| slot.into_inner().ok().flatten());
        items.collect()
    }

    fn embed(
        &self,
        table: &Embedding,
        head: &Linear,
        tokens: &[u32],
        before: Option<usize>,
    ) -> Result<Rows> {
        let rows = tokens.len();
        let data = match table {
            Embedding::Mapped(file) => mapped_rows(file, tokens)?,
            Embedding::Tied => head.weight.rows(tokens),
        };
        Ok(Rows::new(data, rows, precision(rows, before)))
    }

    fn rows(&self, data: Vec<f32>, like: &Rows) -> Result<Rows> {
        Ok(Rows { data, ..*like })
    }

    fn rms_norm(&self, x: &Rows, weight: &Vec<f32>, epsilon: f32) -> Result<Rows> {
        let mut data = vec![0.0; x.data.len()];
        ops::rms_norm(&self.pool, &x.data, weight, epsilon, &mut data);
        Ok(Rows { data, ..*x })
    }

    fn linear(&self, linear: &Linear, x: &Rows) -> Result<Rows> {
        let data = linear.forward(&self.pool, &x.data, x.rows, x.precision);
        Ok(Rows { data, ..*x })
    }

    fn gated(&self, gate: Gate, gate_up: &Rows) -> Result<Rows> {
        let data = ops::gated(&self.pool, gate, &gate_up.data, gate_up.width() / 2);
        Ok(Rows { data, ..*gate_up })
    }

    fn opened(&self, mut x: Rows, gate: &Rows) -> Result<Rows> {
        let each = x.width() / gate.width().max(1);
        for (x, g) in x.data.chunks_exact_mut(each).zip(&gate.data) {
            x.iter_mut().for_each(|x| *x /= 1.0 + (-g).exp());
        }
        Ok(x)
    }

    fn experts(&self, experts: &Experts, x: &Rows, by: &Rows) -> Result<Rows> {
        experts.forward(&self.pool, x, by)
    }

    fn add(&self, mut x: Rows, y: Rows) -> Result<Rows> {
        ops::add_assign(&self.pool, &mut x.data, &y.data);
        Ok(x)
    }

    fn scale(&self, mut x: Rows, by: f32) -> Result<Rows> {
        x.data.iter_mut().for_each(|x| *x *= by);
        Ok(x)
    }

    fn times(&self, mut x: Rows, y: &Rows) -> Result<Rows> {
        x.data.iter_mut().zip(&y.data).for_each(|(x, y)| *x *= y);
        Ok(x)
    }

    fn columns(&self, x: &Rows, every: usize, from: usize, len: usize) -> Result<Rows> {
        Ok(columns(x, every, from, len))
    }

    fn beside(&self, x: &Rows, y: &Rows) -> Result<Rows> {
        Ok(rows::beside(x, y))
    }

    fn numbers(&self, host: Vec<f32>) -> Result<Numbers> {
        Ok(Arc::new(host))
    }

    fn convolve(
        &self,
        c: &ConvolutionShape,
        x: &Rows,
        weight: &Numbers,
        silu: bool,
        before: &Numbers,
        spare: Option<Numbers>,
    ) -> Result<(Rows, Numbers)> {
        Ok(states::convolve(
            &self.pool,
            c,
            x,
            (weight, silu),
            before,
            spare,
        ))
    }

    fn delta(
        &self,
        d: &DeltaShape,
        qkv: &Rows,
        rates: &Rows,
        gates: &DeltaGates<Numbers>,
        before: &Numbers,
        spare: Option<Numbers>,
    ) -> Result<(Rows, Numbers)> {
        Ok(states::delta(
            &self.pool, d, qkv, rates, gates, before, spare,
        ))
    }

    fn gated_norm(
        &self,
        _: &DeltaShape,
        x: Rows,
        gate: &Rows,
        gates: &DeltaGates<Numbers>,
    ) -> Result<Rows> {
        Ok(states::gated_norm(&self.pool, &x, gate, gates))
    }

    fn angles(&self, rope: &Rope, start: usize, rows: usize) -> Result<Angles> {
        Ok(rope.angles(start, rows))
    }

    fn append(
        &self,
        a: &AttentionShape,
        norms: Option<HeadNorms<'_, Vec<f32>>>,
        state: &mut LayerState<HostLayer<T>>,
        qkv: Rows,
        place: Place<'_, Angles>,
    ) -> Result<Rows> {
        Ok(append::append(&self.pool, a, norms, state, &qkv, &place))
    }

    fn attend(
        &self,
        a: &AttentionShape,
        layer: &HostLayer<T>,
        q: &Rows,
        span: Span,
        sinks: Option<&Vec<f32>>,
    ) -> Result<Rows> {
        let mut data = vec![0.0; q.data.len()];
        attention::attend(&self.pool, layer, &queries(a, q, span, sinks), &mut data);
        Ok(Rows { data, ..*q })
    }

    fn attend_one_by_one(
        &self,
        a: &AttentionShape,
        layer: &HostLayer<T>,
        q: Rows,
        _: usize,
        span: Span,
        sinks: Option<&Vec<f32>>,
    ) -> Result<Rows> {
        let mut data = vec![0.0; q.data.len()];
        attention::attend_one_by_one(&self.pool, layer, &queries(a, &q, span, sinks), &mut data);
        Ok(Rows { data, ..q })
    }

    fn observe(
        &self,
        a: &AttentionShape,
        state: &LayerState<HostLayer<T>>,
        needs: Needs,
        sinks: Option<&Vec<f32>>,
    ) -> Result<Vec<Observed>> {
        let q = window_rows(&state.window);
        let q = queries(a, &q, Span::default(), sinks);
        let scores = attention::window_scores(&self.pool, &state.layer, &q);
        let heads = state.layer.heads.iter().zip(scores).enumerate();
        let observed = heads.map(|(h, (head, scores))| Observed {
            scores,
            positions: head.positions().to_vec(),
            keys: if needs.keys { head.keys() } else { Vec::new() },
            values: match needs.values {
                true => head.values(),
                false => Vec::new(),
            },
            projected: Vec::new(),
            queries: match needs.queries {
                true => a.queries_of(h, q.q).iter().map(|x| x * a.scale).collect(),
                false => Vec::new(),
            },
            group: a.group(),
            head_dim: a.head_dim,
        });
        Ok(observed.collect())
    }

    fn project(
        &self,
        a: &AttentionShape,
        _: &LayerState<HostLayer<T>>,
        out: &Linear,
        heads: &mut [Observed],
    ) -> Result<()> {
        projected::project(&self.pool, a, out, heads);
        Ok(())
    }

    fn last_query(&self, window: &QueryWindow<Vec<f32>>) -> Result<Rows> {
        Ok(window_rows(&window.last()))
    }

    fn empty_layer(&self, a: Option<&AttentionShape>) -> Result<HostLayer<T>> {
        let (heads, dim) = a.map_or((0, 0), |a| (a.kv_heads, a.head_dim));
        Ok(HostLayer::new(heads, dim))
    }

    fn slice(&self, x: &Rows, start: usize, rows: usize) -> Result<Rows> {
        let width = x.width();
        let data = x.data[start * width..(start + rows) * width].to_vec();
        Ok(Rows { data, rows, ..*x })
    }

    fn put(&self, x: &mut Rows, start: usize, rows: &Rows) -> Result<()> {
        let at = start * x.width();
        x.data[at..at + rows.data.len()].copy_from_slice(&rows.data);
        Ok(())
    }

    fn last(&self, mut x: Rows, rows: usize) -> Result<Rows> {
        let width = x.width();
        x.data.drain(..(x.rows - rows) * width);
        Ok(Rows { rows, ..x })
    }

    fn to_host(&self, x: Rows) -> Result<Vec<f32>> {
        Ok(x.data)
    }
}
