//! The executor for GPUs: the same decoder over our own kernels, with the paged ragged cache.
//!
//! A decoded token is a dozen launches a layer whatever the number of heads; nothing in it depends on the host but
//! two words that are poked, so that the launches of one token are those of the next and run as one recorded graph.
//! What it does not cover ([`covers`](covers())) takes the portable path.

mod append;
mod attention;
mod covers;
mod few;
mod largest;
mod linear;
mod packed;
mod parts;
mod rows;
#[cfg(test)]
mod tests;
pub mod work;

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    backend::{Backend, DeltaGates, HeadNorms, Place},
    description::Description,
    device_memory::DeviceMemory,
    error::Result,
    gguf::GgufFile,
    logits::Largest,
    rope::Rope,
    shape::{AttentionShape, ConvolutionShape, DeltaShape, ExpertsShape, Gate, Span},
    weights::{self, Scaled},
};
use crate::cache::paged::{PagedLayer, RingRow};
use crate::cache::{LayerState, QueryWindow, Store};
use crate::gpu::driver::{Kernel, Variant};
use crate::gpu::{Buffer, Element, Gpu, Grid, args};
use crate::policy::{Needs, Observed};
pub use covers::covers;
use linear::{Linear, Precision};
use parts::{Angles, Vector, not_covered};
use rows::{Op, Rows, Waits};

/// Our kernels on a device.
pub struct Executor {
    gpu: Arc<Gpu>,
    element: Element,
    precision: Precision,
    /// Frequencies that were uploaded.
    ropes: Mutex<Vec<(Vec<f32>, Arc<Buffer>)>>,
}

impl Executor {
    /// `element` is the type of keys and values; `half` says that activations stay within f16's range.
    pub fn new(gpu: Arc<Gpu>, element: Element, exact: bool, half: bool) -> Self {
        Executor {
            gpu,
            element,
            precision: Precision { exact, half },
            ropes: Mutex::default(),
        }
    }
}

impl Backend for Executor {
    type Rows = Rows;
    type Linear = Linear;
    type Vector = Vector;
    /// `None` where the output head is the table.
    type Embedding = Option<Linear>;
    type Experts = ();
    type Angles = Angles;
    type Layer = PagedLayer;

    fn device(&self) -> String {
        self.gpu.driver().name().into()
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        (self.element.name(), self.element.bytes())
    }

    fn device_memory(&self) -> Option<DeviceMemory> {
        Some(DeviceMemory::of(&self.gpu))
    }

    fn forget_device_peak(&self) -> Result<()> {
        Ok(self.gpu.forget_peak()?)
    }

    fn precision(&self) -> String {
        let (device, element) = (self.device(), self.element.name());
        format!("{device} kernels {element} exact: {}", self.precision.exact)
    }

    fn exact(&self) -> bool {
        self.precision.exact
    }

    fn block_rows(&self, d: &Description) -> usize {
        work::block_rows(d)
    }

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
    ) -> Result<Linear> {
        Linear::load(&self.gpu, file, parts, inputs, scaled, self.precision)
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
        let matrix = [(dtype, outputs, bytes)];
        Ok(Linear::of(&self.gpu, &matrix, inputs, self.precision)?)
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Vector> {
        self.vector(weights::vector(file, name, len)?)
    }

    fn vector(&self, host: Vec<f32>) -> Result<Vector> {
        Ok(Vector {
            buffer: Arc::new(self.gpu.upload(&host)?),
            len: host.len(),
        })
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Option<Linear>> {
        if d.tied {
            return Ok(None);
        }
        let parts = [("token_embd".into(), d.vocabulary)];
        let table = Linear::load(
            &self.gpu,
            file,
            &parts,
            d.hidden,
            Scaled::No,
            self.precision,
        )?;
        Ok(Some(table))
    }

    fn load_experts(&self, _: &GgufFile, _: &str, _: &ExpertsShape, _: usize) -> Result<()> {
        not_covered("experts")
    }

    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        (0..n).map(load).collect()
    }

    fn embed(
        &self,
        table: &Option<Linear>,
        head: &Linear,
        tokens: &[u32],
        before: Option<usize>,
    ) -> Result<Rows> {
        let table = table.as_ref().unwrap_or(head);
        let (at, _held) = match (tokens, before) {
            ([token], None) => (self.gpu.begin_step(*token)?, None),
            _ => {
                self.gpu.end_step();
                let buffer = self.gpu.upload(tokens)?;
                (buffer.at(), Some(buffer))
            }
        };
        let out = Rows::new(&self.gpu, tokens.len(), table.inputs())?;
        let arguments = args::Embed {
            w: table.stack(),
            tokens: at,
            out: out.at()?,
            width: out.width as u32,
            vocabulary: table.outputs() as u32,
        };
        let grid = Grid::of([tokens.len() as u32, 1, 1], 256);
        self.gpu
            .launch(Kernel::Embed, Variant::Only, grid, &arguments)?;
        Ok(out)
    }

    fn rows(&self, host: Vec<f32>, like: &Rows) -> Result<Rows> {
        Ok(Rows::upload(&self.gpu, &host, like.rows)?)
    }

    fn rms_norm(&self, x: &Rows, weight: &Vector, epsilon: f32) -> Result<Rows> {
        let waits = Waits::Norm {
            x: x.clone(),
            weight: weight.buffer.clone(),
            epsilon,
        };
        Ok(Rows::waiting(&self.gpu, waits, x.rows, x.width))
    }

    fn linear(&self, weight: &Linear, x: &Rows) -> Result<Rows> {
        Ok(weight.forward(x)?)
    }

    fn gated(&self, gate: Gate, gate_up: &Rows) -> Result<Rows> {
        let waits = Waits::Gate {
            x: gate_up.clone(),
            gate: match gate {
                Gate::Silu => 0,
                Gate::Gelu => 1,
                Gate::Clamped => 2,
            },
        };
        Ok(Rows::waiting(
            &self.gpu,
            waits,
            gate_up.rows,
            gate_up.width / 2,
        ))
    }

    fn opened(&self, x: Rows, gate: &Rows) -> Result<Rows> {
        Ok(x.with(Op::Open, Some(gate))?)
    }

    fn experts(&self, (): &(), _: &Rows, _: &Rows) -> Result<Rows> {
        not_covered("experts")
    }

    fn add(&self, x: Rows, y: Rows) -> Result<Rows> {
        Ok(x.with(Op::Add, Some(&y))?)
    }

    fn scale(&self, x: Rows, by: f32) -> Result<Rows> {
        Ok(x.with(Op::Scale(by), None)?)
    }

    fn times(&self, x: Rows, y: &Rows) -> Result<Rows> {
        Ok(x.with(Op::Times, Some(y))?)
    }

    fn columns(&self, x: &Rows, every: usize, from: usize, len: usize) -> Result<Rows> {
        let out = Rows::new(&self.gpu, x.rows, x.width / every.max(1) * len)?;
        x.columns(every, from, len, &out, 0)?;
        Ok(out)
    }

    fn beside(&self, x: &Rows, y: &Rows) -> Result<Rows> {
        let out = Rows::new(&self.gpu, x.rows, x.width + y.width)?;
        x.columns(x.width, 0, x.width, &out, 0)?;
        y.columns(y.width, 0, y.width, &out, x.width)?;
        Ok(out)
    }

    fn numbers(&self, host: Vec<f32>) -> Result<Arc<Vec<f32>>> {
        Ok(Arc::new(host))
    }

    fn convolve(
        &self,
        _: &ConvolutionShape,
        _: &Rows,
        _: &Arc<Vec<f32>>,
        _: bool,
        _: &Arc<Vec<f32>>,
        _: Option<Arc<Vec<f32>>>,
    ) -> Result<(Rows, Arc<Vec<f32>>)> {
        not_covered("convolutions")
    }

    fn delta(
        &self,
        _: &DeltaShape,
        _: &Rows,
        _: &Rows,
        _: &DeltaGates<Arc<Vec<f32>>>,
        _: &Arc<Vec<f32>>,
        _: Option<Arc<Vec<f32>>>,
    ) -> Result<(Rows, Arc<Vec<f32>>)> {
        not_covered("the delta rule")
    }

    fn gated_norm(
        &self,
        _: &DeltaShape,
        _: Rows,
        _: &Rows,
        _: &DeltaGates<Arc<Vec<f32>>>,
    ) -> Result<Rows> {
        not_covered("the delta rule")
    }

    fn angles(&self, rope: &Rope, _start: usize, _rows: usize) -> Result<Angles> {
        let mut ropes = self.ropes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ropes.iter().find(|(of, _)| of == rope.frequencies());
        let frequencies = match known {
            Some((_, buffer)) => buffer.clone(),
            None => {
                let buffer = Arc::new(self.gpu.upload(rope.frequencies())?);
                ropes.push((rope.frequencies().to_vec(), buffer.clone()));
                buffer
            }
        };
        Ok(Angles {
            frequencies,
            magnitude: rope.magnitude(),
        })
    }

    fn append(
        &self,
        a: &AttentionShape,
        norms: Option<HeadNorms<'_, Vector>>,
        state: &mut LayerState<PagedLayer>,
        qkv: Rows,
        place: Place<'_, Angles>,
    ) -> Result<Rows> {
        append::append(&self.gpu, a, norms, state, &qkv, &place)
    }

    fn attend(
        &self,
        a: &AttentionShape,
        layer: &PagedLayer,
        q: &Rows,
        span: Span,
        sinks: Option<&Vector>,
    ) -> Result<Rows> {
        let sinks = sinks.map(|sinks| &*sinks.buffer);
        Ok(attention::attend(a, layer, q, span, sinks)?)
    }

    fn observe(
        &self,
        a: &AttentionShape,
        state: &LayerState<PagedLayer>,
        needs: Needs,
        sinks: Option<&Vector>,
    ) -> Result<Vec<Observed>> {
        let layer = &state.layer;
        let q = attention::window_rows(&self.gpu, &state.window)?;
        let sinks = sinks.map(|sinks| &*sinks.buffer);
        let scores = attention::scores(a, layer, &q, sinks)?;
        let mut entries = match needs.keys || needs.values {
            true => layer.read_entries()?,
            false => Vec::new(),
        };
        let queries = if needs.queries { q.read()? } else { Vec::new() };
        let observed = scores.into_iter().enumerate().map(|(h, scores)| {
            let (keys, values) = entries.get_mut(h).map(std::mem::take).unwrap_or_default();
            Observed {
                scores,
                positions: layer.positions(h).to_vec(),
                keys: if needs.keys { keys } else { Vec::new() },
                values: if needs.values { values } else { Vec::new() },
                projected: Vec::new(),
                queries: a.queries_of(h, &queries),
                group: a.group(),
                head_dim: a.head_dim,
            }
        });
        Ok(observed.collect())
    }

    fn last_query(&self, window: &QueryWindow<RingRow>) -> Result<Rows> {
        Ok(attention::window_rows(&self.gpu, &window.last())?)
    }

    fn empty_layer(&self, a: Option<&AttentionShape>) -> Result<PagedLayer> {
        let (kv_heads, dim) = a.map_or((0, 1), |a| (a.kv_heads, a.head_dim));
        Ok(PagedLayer::new(&self.gpu, kv_heads, dim, self.element))
    }

    fn slice(&self, x: &Rows, start: usize, rows: usize) -> Result<Rows> {
        Ok(x.part(start, rows)?)
    }

    fn put(&self, x: &mut Rows, start: usize, rows: &Rows) -> Result<()> {
        Ok(x.put(start, rows)?)
    }

    fn last(&self, x: Rows, rows: usize) -> Result<Rows> {
        Ok(x.part(x.rows - rows, rows)?)
    }

    fn to_host(&self, x: Rows) -> Result<Vec<f32>> {
        Ok(x.read()?)
    }

    fn largest(&self, x: &Rows) -> Result<Option<Largest>> {
        Ok(Some(largest::largest(x)?))
    }
}
