//! The CPU backend: plain slices and this project's own kernels.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Tensor, quantized::QTensor};
use half::f16;

use super::{
    backend::Backend,
    decoder::Run,
    description::{Description, RopePairing},
    error::{ModelError, Result},
    gguf::GgufFile,
    kernels::{attention, ops, packed::PackedMatrix, pool::Pool},
};
use crate::cache::{HostLayer, KvElement, Layer, LayerState, Query, QueryWindow};
use crate::policy::HeadScores;

/// Activations, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct Rows {
    data: Vec<f32>,
    rows: usize,
    /// Of a short prompt: products take all of their precision.
    fine: bool,
}

/// Prompts of up to so many tokens are multiplied with activations of 16 bits in place of 8: it
/// takes some tens of milliseconds. Not single tokens, decoding would take two thirds longer.
const SHORT: std::ops::RangeInclusive<usize> = 2..=64;

impl Rows {
    fn width(&self) -> usize {
        self.data.len() / self.rows.max(1)
    }
}

/// A weight matrix with its bias.
pub struct Linear {
    weight: Weight,
    /// `[outputs]`, or nothing.
    bias: Vec<f32>,
}

enum Weight {
    /// Low-bit weights times 8-bit activations: the mode people use.
    Packed(PackedMatrix),
    /// `[outputs, inputs]` in f32: the exact mode, and shapes that cannot be packed.
    Dense(Tensor),
}

/// The token table.
pub enum Embedding {
    /// The output head is the table.
    Tied,
    /// Its rows are read from the mapped file as they are needed.
    Mapped(Arc<GgufFile>),
}

/// Threads and precision.
pub struct Host {
    pool: Pool,
    exact: bool,
    dtype: DType,
}

impl Host {
    /// `dtype` of the cache is f16 or f32; `exact` keeps the weights in f32.
    pub fn new(threads: usize, exact: bool, dtype: DType) -> Result<Self> {
        match dtype {
            DType::F16 | DType::F32 => Ok(Host {
                pool: Pool::new(threads),
                exact,
                dtype,
            }),
            other => Err(ModelError::KvDtype(other.as_str().into())),
        }
    }

    fn load_weight(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
    ) -> Result<Weight> {
        if !self.exact {
            let mut packed = Vec::new();
            for (name, outputs) in parts {
                let (dtype, _, data) = weight_data(file, name, *outputs, inputs)?;
                match PackedMatrix::from_ggml(dtype, *outputs, inputs, data) {
                    Ok(matrix) => packed.push(matrix),
                    Err(_) => break,
                }
            }
            if packed.len() == parts.len() {
                return Ok(Weight::Packed(PackedMatrix::concat(packed)?));
            }
        }
        let mut dense = Vec::new();
        for (name, outputs) in parts {
            weight_data(file, name, *outputs, inputs)?;
            let tensor = file.qtensor(&format!("{name}.weight"), &Device::Cpu)?;
            dense.push(tensor.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?);
        }
        Ok(Weight::Dense(Tensor::cat(&dense, 0)?))
    }
}

/// Checks a weight's shape and gives its bytes.
fn weight_data<'a>(
    file: &'a GgufFile,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<(candle_core::quantized::GgmlDType, Vec<usize>, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, data) = file.tensor_data(&name)?;
    super::load::expect_shape(name, &dims, &[outputs, inputs])?;
    Ok((dtype, dims, data))
}

/// Runs the same call on either host storage.
macro_rules! on_host {
    ($layer:expr, $l:ident => $do:expr) => {
        match $layer {
            Layer::F16($l) => $do,
            Layer::F32($l) => $do,
            Layer::Tensor(_) => Err(ModelError::KvDtype("tensors".into())),
        }
    };
}

impl Backend for Host {
    type Rows = Rows;
    type Linear = Linear;
    type Vector = Vec<f32>;
    type Embedding = Embedding;

    fn device(&self) -> String {
        "cpu".into()
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        match self.dtype {
            DType::F16 => (f16::NAME, 2),
            _ => (f32::NAME, 4),
        }
    }

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
    ) -> Result<Linear> {
        Ok(Linear {
            weight: self.load_weight(file, parts, inputs)?,
            bias: super::load::biases(file, parts)?.unwrap_or_default(),
        })
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
        super::load::vector(file, name, len)
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Embedding> {
        if d.tied {
            return Ok(Embedding::Tied);
        }
        weight_data(file, "token_embd", d.vocabulary, d.hidden)?;
        Ok(Embedding::Mapped(file.clone()))
    }

    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        let loaded: Vec<Mutex<Option<Result<T>>>> = (0..n).map(|_| Mutex::new(None)).collect();
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

    fn embed(&self, table: &Embedding, head: &Linear, tokens: &[u32]) -> Result<Rows> {
        let rows = tokens.len();
        let data = match (table, &head.weight) {
            (Embedding::Mapped(file), _) => mapped_rows(file, tokens)?,
            (Embedding::Tied, Weight::Packed(matrix)) => {
                let mut data = vec![0.0; rows * matrix.cols()];
                for (row, &id) in data.chunks_exact_mut(matrix.cols()).zip(tokens) {
                    matrix.dequantize_row(id as usize, row);
                }
                data
            }
            (Embedding::Tied, Weight::Dense(table)) => {
                let ids = Tensor::from_slice(tokens, rows, &Device::Cpu)?;
                table.index_select(&ids, 0)?.flatten_all()?.to_vec1()?
            }
        };
        let fine = SHORT.contains(&rows);
        Ok(Rows { data, rows, fine })
    }

    fn rms_norm(&self, x: &Rows, weight: &Vec<f32>, epsilon: f32) -> Result<Rows> {
        let mut data = vec![0.0; x.data.len()];
        ops::rms_norm(&self.pool, &x.data, weight, epsilon, &mut data);
        Ok(Rows { data, ..*x })
    }

    fn linear(&self, linear: &Linear, x: &Rows) -> Result<Rows> {
        let mut data = match &linear.weight {
            Weight::Packed(matrix) => {
                let mut out = vec![0.0; x.rows * matrix.rows()];
                match x.fine {
                    true => matrix.matmul_fine(&self.pool, &x.data, &mut out),
                    false => matrix.matmul(&self.pool, &x.data, &mut out),
                }
                out
            }
            Weight::Dense(weight) => {
                let x = Tensor::from_slice(&x.data, (x.rows, x.width()), &Device::Cpu)?;
                x.matmul(&weight.t()?)?.flatten_all()?.to_vec1()?
            }
        };
        if !linear.bias.is_empty() {
            for row in data.chunks_exact_mut(linear.bias.len()) {
                row.iter_mut().zip(&linear.bias).for_each(|(x, b)| *x += b);
            }
        }
        Ok(Rows { data, ..*x })
    }

    fn swiglu(&self, gate_up: &Rows) -> Result<Rows> {
        let mut data = vec![0.0; gate_up.data.len() / 2];
        ops::swiglu(&self.pool, &gate_up.data, gate_up.width() / 2, &mut data);
        Ok(Rows { data, ..*gate_up })
    }

    fn add(&self, mut x: Rows, y: Rows) -> Result<Rows> {
        x.data.iter_mut().zip(&y.data).for_each(|(x, y)| *x += y);
        Ok(x)
    }

    fn append(&self, d: &Description, state: &mut LayerState, qkv: Rows, run: Run) -> Result<Rows> {
        let dim = d.head_dim;
        let (q_width, kv_width) = (d.heads * dim, d.kv_heads * dim);
        let mut q = Vec::with_capacity(run.rows * q_width);
        let mut k = Vec::with_capacity(run.rows * kv_width);
        for row in qkv.data.chunks_exact(q_width + 2 * kv_width) {
            q.extend_from_slice(&row[..q_width]);
            k.extend_from_slice(&row[q_width..q_width + kv_width]);
        }
        let (cos, sin) = run.angles.rows(run.offset, run.rows);
        let pairing = match d.rope_pairing {
            RopePairing::Interleaved => ops::Pairing::Interleaved,
            RopePairing::Halves => ops::Pairing::Halves,
        };
        ops::rope(&self.pool, &mut q, d.heads, dim, cos, sin, pairing);
        ops::rope(&self.pool, &mut k, d.kv_heads, dim, cos, sin, pairing);
        on_host!(&mut state.layer, layer => {
            for (h, head) in layer.heads.iter_mut().enumerate() {
                for r in 0..run.rows {
                    let value = &qkv.data[r * (q_width + 2 * kv_width) + q_width + kv_width..];
                    let key = &k[r * kv_width..];
                    let at = h * dim..(h + 1) * dim;
                    head.append((run.start + r) as u32, &key[at.clone()], &value[at]);
                }
            }
            Ok(())
        })?;
        let wanted = state.window.wants(run.rows);
        for row in q.chunks_exact(q_width).skip(run.rows - wanted) {
            state.window.push(Query::Host(row.to_vec()));
        }
        Ok(Rows {
            data: q,
            rows: run.rows,
            fine: qkv.fine,
        })
    }

    fn attend(&self, d: &Description, layer: &Layer, q: &Rows) -> Result<Rows> {
        let mut data = vec![0.0; q.data.len()];
        on_host!(layer, l => {
            attention::attend(&self.pool, l, &q.data, q.rows, d.heads, d.scale(), &mut data);
            Ok(())
        })?;
        Ok(Rows { data, ..*q })
    }

    fn window_scores(&self, d: &Description, state: &LayerState) -> Result<Vec<HeadScores>> {
        let q = queries(&state.window);
        on_host!(&state.layer, l => {
            Ok(attention::window_scores(&self.pool, l, &q.data, q.rows, d.heads, d.scale()))
        })
    }

    fn last_query(&self, window: &QueryWindow) -> Result<Rows> {
        Ok(queries(&window.last()))
    }

    fn empty_layer(&self, d: &Description) -> Result<Layer> {
        Ok(match self.dtype {
            DType::F16 => Layer::F16(HostLayer::new(d.kv_heads, d.head_dim)),
            _ => Layer::F32(HostLayer::new(d.kv_heads, d.head_dim)),
        })
    }

    fn slice(&self, x: &Rows, start: usize, rows: usize) -> Result<Rows> {
        let width = x.width();
        Ok(Rows {
            data: x.data[start * width..(start + rows) * width].to_vec(),
            rows,
            fine: x.fine,
        })
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

/// The window's queries as rows.
fn queries(window: &QueryWindow) -> Rows {
    let mut data = Vec::new();
    let mut rows = 0;
    for query in window.rows() {
        if let Query::Host(row) = query {
            data.extend_from_slice(row);
            rows += 1;
        }
    }
    Rows {
        data,
        rows,
        fine: false,
    }
}

/// Rows of the token table, dequantised from the mapped file.
fn mapped_rows(file: &GgufFile, tokens: &[u32]) -> Result<Vec<f32>> {
    let (dtype, dims, bytes) = file.tensor_data("token_embd.weight")?;
    let (rows, cols) = (dims[0], dims[1]);
    let row_bytes = bytes.len() / rows;
    let picked: Vec<u8> = tokens
        .iter()
        .flat_map(|&id| &bytes[id as usize * row_bytes..][..row_bytes])
        .copied()
        .collect();
    let storage = candle_core::quantized::QStorage::from_data(picked.into(), &Device::Cpu, dtype)?;
    let table = QTensor::new(storage, (tokens.len(), cols))?;
    let rows = table.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?;
    Ok(rows.flatten_all()?.to_vec1()?)
}
