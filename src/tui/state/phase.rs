//! What the engine is doing, as the screen shows it.

/// One thing at a time.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Phase {
    /// Looking for the model.
    #[default]
    Starting,
    Fetching {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    /// Reading weights, 0–1.
    Loading(f32),
    Idle,
    /// A question is on its way.
    Asked,
    Prefill {
        share: f64,
        tokens: usize,
        /// Since the turn began.
        seconds: f64,
    },
    Decoding {
        generated: usize,
        seconds: f64,
    },
    /// A question is answered under several policies.
    Comparing,
    /// No engine any more.
    Ended,
}

impl Phase {
    /// A turn is running.
    pub fn busy(&self) -> bool {
        matches!(
            self,
            Phase::Asked | Phase::Prefill { .. } | Phase::Decoding { .. } | Phase::Comparing
        )
    }

    /// A question would wait.
    pub fn waiting(&self) -> bool {
        self.busy()
            || matches!(
                self,
                Phase::Starting | Phase::Fetching { .. } | Phase::Loading(_)
            )
    }
}

/// Tokens per second of the last or the running turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speeds {
    pub prefill: Option<f64>,
    pub decode: Option<f64>,
}

/// A rate, where the time is long enough to mean something.
pub fn rate(tokens: f64, seconds: f64) -> Option<f64> {
    (seconds > 0.02 && tokens > 0.0).then(|| tokens / seconds)
}
