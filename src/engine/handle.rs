//! The screen's end of a running engine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, watch};

use super::event::{CachePicture, Command, Event};

/// Everything a screen needs to talk to an engine that runs on its own thread.
///
/// `stop` is set by the screen to end the running turn and cleared by the screen before it sends
/// the next [`Command::Ask`]; the engine only reads it, so that a stop asked for between the
/// command and its first look at the flag is not lost.
#[derive(Debug)]
pub struct EngineHandle {
    /// Bounded: the screen keeps what does not fit and never waits.
    pub commands: mpsc::Sender<Command>,
    /// Lossless and in order; closed when the engine's thread ends.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Latest wins.
    pub picture: watch::Receiver<CachePicture>,
    pub stop: Arc<AtomicBool>,
}
