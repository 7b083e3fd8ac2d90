//! The one queue in which all happens, and its clock.
//!
//! Like all parts of the driver: made, used and dropped while the device's context is the calling thread's.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{result, sys};

use super::errors::Named;

pub struct Stream(sys::CUstream);

// SAFETY: the driver's handles may be used by any thread whose context is theirs.
unsafe impl Send for Stream {}
// SAFETY: the driver's calls on one stream may come from several threads.
unsafe impl Sync for Stream {}

impl Stream {
    pub fn new() -> Result<Self> {
        let made = result::stream::create(result::stream::StreamKind::NonBlocking);
        made.map(Self).named("cuStreamCreate")
    }

    /// For calls that enqueue; it must not be destroyed.
    pub fn raw(&self) -> sys::CUstream {
        self.0
    }

    /// Until all that was enqueued is done.
    pub fn wait(&self) -> Result<()> {
        // SAFETY: the stream is open until it is dropped.
        unsafe { result::stream::synchronize(self.0) }.named("cuStreamSynchronize")
    }

    /// Milliseconds that the device takes for what `work` enqueues.
    pub fn elapsed(&self, work: impl FnOnce() -> Result<()>) -> Result<f32> {
        let (begin, end) = (Event::new()?, Event::new()?);
        begin.record(self)?;
        work()?;
        end.record(self)?;
        self.wait()?;
        // SAFETY: both events are open, were recorded on this stream and are done.
        unsafe { result::event::elapsed(begin.0, end.0) }.named("cuEventElapsedTime")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: nobody else has the stream any more.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}

struct Event(sys::CUevent);

impl Event {
    fn new() -> Result<Self> {
        let made = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        made.map(Self).named("cuEventCreate")
    }

    fn record(&self, stream: &Stream) -> Result<()> {
        // SAFETY: the event and the stream are open.
        unsafe { result::event::record(self.0, stream.0) }.named("cuEventRecord")
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: nobody else has the event.
        let _ = unsafe { result::event::destroy(self.0) };
    }
}
