//! Products of matrices, by cuBLAS.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::cuda_backend::cudarc::cublas::{result as cublas, sys};
use candle_core::cuda_backend::cudarc::driver::result;
use candle_core::{Error, Result};

use super::errors::Named;
use super::stream::Stream;
use crate::gpu::driver::{Element, MatMul};

pub struct Products {
    handle: sys::cublasHandle_t,
    /// Memory of the device that cuBLAS works in; 0 if there is none.
    workspace: u64,
}

// SAFETY: a handle may go from thread to thread; it has one user at a time.
unsafe impl Send for Products {}

impl Products {
    /// `workspace` bytes are for its own use: products ask the driver for nothing, and one and the same
    /// product gives the same bits each time.
    pub fn new(stream: &Stream, workspace: usize) -> Result<Self> {
        let handle = cublas::create_handle().named("cublasCreate")?;
        let mut made = Self {
            handle,
            workspace: 0,
        };
        // SAFETY: the handle is open, the stream outlives it. The stream first: it takes the workspace away.
        unsafe { cublas::set_stream(handle, stream.raw().cast()) }.named("cublasSetStream")?;
        // SAFETY: nobody reads what is in it.
        made.workspace = unsafe { result::malloc_sync(workspace) }.named("cuMemAlloc")?;
        let at = made.workspace as *mut std::ffi::c_void;
        // SAFETY: the memory is there until the handle is destroyed.
        let set = unsafe { sys::cublasSetWorkspace_v2(handle, at, workspace) };
        set.result().named("cublasSetWorkspace")?;
        // Products of f32 in f32, not in TF32.
        let mode = sys::cublasMath_t::CUBLAS_DEFAULT_MATH;
        // SAFETY: the handle is open.
        let set = unsafe { sys::cublasSetMathMode(handle, mode) };
        set.result().named("cublasSetMathMode")?;
        Ok(made)
    }

    /// cuBLAS stores columns one after the other: our rows. What it is asked for is the transposed product,
    /// `outᵀ[outputs, rows] = weight[outputs, inputs] · xᵀ[inputs, rows]`; it reads our `weight` as its
    /// transpose, and `x` as `xᵀ`.
    pub fn multiply(&self, product: &MatMul) -> Result<()> {
        let MatMul {
            rows,
            inputs,
            outputs,
            stride,
            ..
        } = *product;
        if rows == 0 || outputs == 0 {
            return Ok(());
        }
        let int = |n: usize| i32::try_from(n).map_err(Error::wrap);
        let kind = match product.element {
            Element::F32 => sys::cudaDataType_t::CUDA_R_32F,
            Element::F16 => sys::cudaDataType_t::CUDA_R_16F,
            Element::BF16 => sys::cudaDataType_t::CUDA_R_16BF,
        };
        let (one, zero) = (1f32, 0f32);
        let (m, n, k, ldc) = (int(outputs)?, int(rows)?, int(inputs)?, int(stride)?);
        // SAFETY: the handle is open, the factors are read before the call returns, and the matrices are the
        // caller's promise.
        let enqueued = unsafe {
            sys::cublasGemmEx(
                self.handle,
                sys::cublasOperation_t::CUBLAS_OP_T,
                sys::cublasOperation_t::CUBLAS_OP_N,
                m,
                n,
                k,
                (&raw const one).cast(),
                product.weight as *const _,
                kind,
                k.max(1),
                product.x as *const _,
                kind,
                k.max(1),
                (&raw const zero).cast(),
                product.out as *mut _,
                sys::cudaDataType_t::CUDA_R_32F,
                ldc,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DFALT,
            )
        };
        let element = product.element.name();
        let enqueued = enqueued.result();
        enqueued.named(&format!(
            "cublasGemmEx({element}, {rows}×{inputs}×{outputs})"
        ))
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // SAFETY: what was enqueued is done, and nobody else has the handle or the workspace.
        unsafe {
            let _ = cublas::destroy_handle(self.handle);
            if self.workspace != 0 {
                let _ = result::free_sync(self.workspace);
            }
        }
    }
}
