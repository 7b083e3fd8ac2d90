//! A GPU by CUDA: its driver, with one stream, and cuBLAS.

mod errors;
mod graphs;
mod info;
mod kernels;
mod memory;
mod products;
mod stream;
#[cfg(test)]
mod tests;
mod transfers;

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::CudaContext;
use candle_core::{Error, Result};

use errors::Named;
use graphs::Graphs;
pub use info::Info;
use kernels::{Begins, Kernels, enqueue};
use products::Products;
use stream::Stream;
use transfers::Transfers;

use crate::gpu::driver::{Driver, Launch, Limits, MatMul};

/// The least compute capability for which `build.rs` compiles.
const OLDEST: (u32, u32) = (8, 0);

/// An open card. It has the context that candle has too, but a stream of its own: nothing orders what
/// happens here and on candle's stream.
///
/// Parts are dropped from above: what was enqueued is waited for before the first of them goes.
pub struct Cuda {
    parts: Mutex<Parts>,
    stream: Stream,
    info: Info,
    context: Arc<CudaContext>,
}

struct Parts {
    graphs: Graphs,
    products: Products,
    transfers: Transfers,
    kernels: Kernels,
}

impl Cuda {
    /// Opens card `ordinal`.
    ///
    /// # Errors
    /// What the driver says; a card that is too old for the kernels.
    pub fn open(ordinal: usize) -> Result<Self> {
        let context = CudaContext::new(ordinal).named(&format!("opening GPU {ordinal}"))?;
        let info = Info::of(&context)?;
        if info.capability < OLDEST {
            let text = format!(
                "{} is too old for the GPU's kernels: its compute capability is {}.{}, and they need {}.{}",
                info.name, info.capability.0, info.capability.1, OLDEST.0, OLDEST.1
            );
            return Err(Error::Msg(text));
        }
        let stream = Stream::new()?;
        let kernels = Kernels::load()?;
        let transfers = Transfers::new()?;
        // As much as cuBLAS recommends.
        let workspace = if info.capability.0 >= 9 { 32 } else { 4 };
        let products = Products::new(&stream, workspace << 20)?;
        let graphs = Graphs::default();
        Ok(Self {
            parts: Mutex::new(Parts {
                graphs,
                products,
                transfers,
                kernels,
            }),
            stream,
            info,
            context,
        })
    }

    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Milliseconds that the card takes for what `work` asks it for; waits for that.
    ///
    /// # Errors
    /// What `work` or the driver says.
    pub fn elapsed(&self, work: impl FnOnce() -> Result<()>) -> Result<f32> {
        self.bind()?;
        self.stream.elapsed(work)
    }

    /// Calls come from different threads: each has to say which card it means.
    fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().named("cuCtxSetCurrent")
    }

    fn with<T>(&self, act: impl FnOnce(&mut Parts, &Stream) -> Result<T>) -> Result<T> {
        self.bind()?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut parts, &self.stream)
    }
}

impl Driver for Cuda {
    fn name(&self) -> &'static str {
        "CUDA"
    }

    fn alloc(&self, bytes: usize) -> Result<u64> {
        self.bind()?;
        memory::alloc(bytes)
    }

    fn free(&self, at: u64, _bytes: usize) {
        if self.bind().is_ok() {
            memory::free(at);
        }
    }

    fn upload(&self, at: u64, data: &[u8]) -> Result<()> {
        self.with(|parts, stream| parts.transfers.upload(stream, at, data))
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        self.with(|parts, stream| parts.transfers.read(stream, at, out))
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        self.with(|_, stream| memory::copy(stream, from, to, bytes))
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        self.with(|parts, stream| {
            let function = parts.kernels.function(launch)?;
            enqueue(function, launch, Begins::InTurn, stream)
        })
    }

    fn multiply(&self, product: &MatMul) -> Result<()> {
        self.with(|parts, _| parts.products.multiply(product))
    }

    fn record(&self, list: &[Launch]) -> Result<Option<u64>> {
        if list.is_empty() {
            return Ok(None);
        }
        self.with(|parts, stream| {
            // Before the recording: to load a function is nothing that can be recorded.
            let functions = list.iter().map(|launch| parts.kernels.function(launch));
            let functions = functions.collect::<Result<Vec<_>>>()?;
            Ok(parts.graphs.record(stream, || {
                let mut all = functions.iter().zip(list);
                all.try_for_each(|(&function, launch)| {
                    enqueue(function, launch, Begins::Early, stream)
                })
            }))
        })
    }

    fn replay(&self, recorded: u64) -> Result<()> {
        self.with(|parts, stream| parts.graphs.replay(stream, recorded))
    }

    fn forget(&self, recorded: u64) {
        let _ = self.with(|parts, _| {
            parts.graphs.forget(recorded);
            Ok(())
        });
    }

    fn multiprocessors(&self) -> u32 {
        self.info.multiprocessors
    }

    fn limits(&self) -> Limits {
        Limits {
            shared: self.info.shared,
            ..Limits::WIDE
        }
    }

    fn memory(&self) -> Option<(u64, u64)> {
        self.bind().ok()?;
        memory::free_and_all()
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // The parts that are dropped next need the context, and nothing that still runs.
        let _ = self.bind().and_then(|()| self.stream.wait());
    }
}
