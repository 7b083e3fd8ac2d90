//! Tensor operations, each with what candle's CUDA backend does for it (see [`Counts`]). Views
//! (`narrow`, `transpose`, `reshape` of what is contiguous) cost nothing and are used as they are.

use candle_core::quantized::QTensor;
use candle_core::{DType, Device, Result, Shape, Tensor, WithDType};

use super::count::{Counts, count};

/// Tensors that are not contiguous come with their shapes and strides.
fn count_strided(tensors: &[&Tensor]) {
    if tensors.iter().any(|t| !t.is_contiguous()) {
        count(Counts::PARAMETERS);
    }
}

/// A kernel over all elements of `operands`.
fn count_elementwise(operands: &[&Tensor]) {
    count(Counts::kernels(1));
    count_strided(operands);
}

pub fn upload<T: WithDType>(data: &[T], shape: impl Into<Shape>, to: &Device) -> Result<Tensor> {
    count(Counts::UPLOAD);
    Tensor::from_slice(data, shape.into(), to)
}

pub fn zeros(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    count(Counts::kernels(1));
    Tensor::zeros(shape.into(), dtype, device)
}

/// All elements as f32; waits for the device.
pub fn read(x: &Tensor) -> Result<Vec<f32>> {
    let x = contiguous(&cast(x, DType::F32)?)?;
    count(Counts::READ);
    x.flatten_all()?.to_vec1()
}

/// Nothing where it has the type already.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() != dtype {
        count_elementwise(&[x]);
    }
    x.to_dtype(dtype)
}

/// Nothing where it is contiguous already.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if !x.is_contiguous() {
        count_elementwise(&[x]);
    }
    x.contiguous()
}

/// A contiguous copy in a buffer of its own.
pub fn copy(x: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x]);
    x.force_contiguous()
}

pub fn cat(parts: &[Tensor], dim: usize) -> Result<Tensor> {
    if let [one] = parts {
        return Ok(one.clone());
    }
    let parts: Vec<_> = parts.iter().map(contiguous).collect::<Result<_>>()?;
    count(Counts {
        launches: parts.len(),
        allocations: 1,
        ..Counts::NONE
    });
    Tensor::cat(&parts, dim)
}

/// Writes the contiguous `x` into `to` from place `offset` of dimension `dim` on.
pub fn set(to: &Tensor, x: &Tensor, dim: usize, offset: usize) -> Result<()> {
    count(Counts::IN_PLACE);
    to.slice_set(x, dim, offset)
}

/// Rows `index` (u32) of `x`.
pub fn select(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    count(Counts::kernels(1) + Counts::PARAMETERS);
    x.index_select(index, 0)
}

pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    count(Counts::kernels(1));
    a.matmul(b)
}

/// Rows `x` times a low-bit matrix. Single rows: quantised to 8 bits in a buffer that stays, and
/// multiplied. Many: as f32 and, in most shapes, with one more kernel that mends the seams.
pub fn quantised(weight: &QTensor, x: &Tensor) -> Result<Tensor> {
    const SINGLE_ROWS: usize = 8;
    let few = x.dims()[0] <= SINGLE_ROWS;
    let casts = match few || x.dtype() == DType::F32 {
        true => 0,
        false => 2,
    };
    count(Counts {
        launches: if few { 2 } else { 3 } + casts,
        allocations: 1 + casts,
        ..Counts::NONE
    });
    x.apply_op1_no_bwd(weight)
}

pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x, y]);
    x + y
}

pub fn mul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x, y]);
    x * y
}

/// `x + y` with `y` repeated to the shape of `x`.
pub fn add_repeated(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    add(x, &y.broadcast_as(x.shape())?)
}

/// `x · y` with `y` repeated to the shape of `x`.
pub fn mul_repeated(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    mul(x, &y.broadcast_as(x.shape())?)
}

/// `x · by + plus`
pub fn affine(x: &Tensor, by: f64, plus: f64) -> Result<Tensor> {
    count_elementwise(&[x]);
    x.affine(by, plus)
}

pub fn tanh(x: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x]);
    x.tanh()
}

pub fn silu(x: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x]);
    x.silu()
}

pub fn gelu(x: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x]);
    x.gelu()
}

pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    count_elementwise(&[x]);
    candle_nn::ops::sigmoid(x)
}

/// No less than `low` and no more than `high`.
pub fn clamp(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    count(Counts::kernels(2));
    count_strided(&[x]);
    x.clamp(low, high)
}

/// 1 where `x < y` (u8), both repeated to `shape`.
pub fn less(x: &Tensor, y: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (x, y) = (x.broadcast_as(shape)?, y.broadcast_as(shape)?);
    count_elementwise(&[&x, &y]);
    x.lt(&y)
}

/// 0 where `condition` holds, −∞ elsewhere; `zero` and `infinity` are one element each.
pub fn barrier(condition: &Tensor, zero: &Tensor, infinity: &Tensor) -> Result<Tensor> {
    count(Counts::kernels(1) + Counts::PARAMETERS);
    let shape = condition.shape();
    condition.where_cond(&zero.broadcast_as(shape)?, &infinity.broadcast_as(shape)?)
}

/// Mean over dimension `dim`.
pub fn mean(x: &Tensor, dim: usize) -> Result<Tensor> {
    count(Counts::kernels(2) + Counts::PARAMETERS);
    x.mean(dim)
}

/// Maximum over dimension `dim`.
pub fn max(x: &Tensor, dim: usize) -> Result<Tensor> {
    count(Counts::kernels(1) + Counts::PARAMETERS);
    x.max(dim)
}

/// Over the last dimension. The GPUs' kernels sum in f32 whatever the type; the CPU's does not.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    count(Counts::kernels(1));
    match x.device().is_cpu() {
        true => candle_nn::ops::softmax_last_dim(&x.to_dtype(DType::F32)?)?.to_dtype(x.dtype()),
        false => candle_nn::ops::softmax_last_dim(x),
    }
}

/// Each row of the last dimension over its root mean square, times `weight`, in the rows' type.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    let x = contiguous(x)?;
    count(Counts::kernels(1));
    candle_nn::ops::rms_norm(&x, weight, epsilon)
}

/// RoPE of `[batch, heads, rows, dim]`; angles `[batch, rows, dim / 2]`.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor, interleaved: bool) -> Result<Tensor> {
    count(Counts::kernels(1));
    match interleaved {
        true => candle_nn::rotary_emb::rope_i(x, cos, sin),
        false => candle_nn::rotary_emb::rope(x, cos, sin),
    }
}
