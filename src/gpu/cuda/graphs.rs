//! Launches that were recorded, to be enqueued all at once.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use std::collections::HashMap;

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Error, Result};

use super::errors::Named;
use super::stream::Stream;

#[derive(Default)]
pub struct Graphs {
    made: HashMap<u64, sys::CUgraphExec>,
    /// The number of the one made last.
    last: u64,
}

// SAFETY: a graph may go from thread to thread; it has one user at a time.
unsafe impl Send for Graphs {}

impl Graphs {
    /// What `enqueue` enqueues, which is not run now; `None` if it cannot be recorded.
    pub fn record(&mut self, stream: &Stream, enqueue: impl FnOnce() -> Result<()>) -> Option<u64> {
        let graph = Graph::capture(stream, enqueue)?;
        let flags = sys::CUgraphInstantiate_flags(0);
        // SAFETY: the graph is whole. What is made of it does not need it any more.
        let made = unsafe { result::graph::instantiate(graph.0, flags) }.ok()?;
        self.last += 1;
        self.made.insert(self.last, made);
        Some(self.last)
    }

    pub fn replay(&self, stream: &Stream, recorded: u64) -> Result<()> {
        let Some(made) = self.made.get(&recorded) else {
            let text = format!("launches {recorded} were not recorded, or are forgotten");
            return Err(Error::Msg(text));
        };
        // SAFETY: it has not been destroyed, and has one user at a time.
        unsafe { result::graph::launch(*made, stream.raw()) }.named("cuGraphLaunch")
    }

    pub fn forget(&mut self, recorded: u64) {
        if let Some(made) = self.made.remove(&recorded) {
            // SAFETY: nobody else has it; where it still runs, the driver destroys it later.
            let _ = unsafe { result::graph::exec_destroy(made) };
        }
    }
}

impl Drop for Graphs {
    fn drop(&mut self) {
        for (_, made) in self.made.drain() {
            // SAFETY: as in `forget`.
            let _ = unsafe { result::graph::exec_destroy(made) };
        }
    }
}

/// A recording, from which something to run is made.
struct Graph(sys::CUgraph);

impl Graph {
    fn capture(stream: &Stream, enqueue: impl FnOnce() -> Result<()>) -> Option<Self> {
        // Relaxed: whatever else the driver is asked for meanwhile is not forbidden.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is open, and is not being recorded: every recording is ended below.
        unsafe { result::stream::begin_capture(stream.raw(), mode) }.ok()?;
        let enqueued = enqueue();
        // SAFETY: the recording was begun above. It is ended whatever happened, else the stream is stuck.
        let ended = unsafe { result::stream::end_capture(stream.raw()) }.ok();
        let graph = ended.filter(|graph| !graph.is_null()).map(Self);
        enqueued.ok().and(graph)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        let _ = unsafe { result::graph::destroy(self.0) };
    }
}
