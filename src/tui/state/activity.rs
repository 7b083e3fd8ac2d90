//! What the engine is doing, as the screen shows it.

use crate::engine::event::{Event, Stop};
use crate::human;
use crate::tui::conversation::Progress;

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
    /// Takes in how far a model is that is on its way.
    pub(super) fn told(&mut self, event: &Event) {
        *self = match event {
            Event::Fetching { what, done, total } => Phase::Fetching {
                what: what.clone(),
                done: *done,
                total: *total,
            },
            Event::Loading { share } => Phase::Loading(*share),
            _ => return,
        };
    }

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
    /// Tokens that a step brings, where they are drafted.
    pub a_step: Option<f64>,
}

/// What runs, how fast, and whether it is to end.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    pub phase: Phase,
    pub speeds: Speeds,
    /// Tokens of the context that are used.
    pub position: usize,
    /// A stop was asked for and has not been felt yet.
    stopping: bool,
    /// The running turn goes on with an answer.
    going_on: bool,
    /// The last Ctrl-C that stopped or cleared nothing, on the state's clock.
    pub(super) interrupted: Option<f64>,
}

/// A rate, where the time is long enough to mean something.
pub(super) fn rate(tokens: f64, seconds: f64) -> Option<f64> {
    (seconds > 0.02 && tokens > 0.0).then(|| tokens / seconds)
}

impl Activity {
    pub fn stopping(&self) -> bool {
        self.stopping
    }

    /// Something was asked of the engine.
    pub(super) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        (self.stopping, self.going_on) = (false, false);
    }

    /// The last answer is to go on.
    pub(super) fn go_on(&mut self) {
        self.begin(Phase::Asked);
        self.going_on = true;
    }

    /// Whether what runs has still to be told to stop; from now on it is told.
    pub(super) fn stop(&mut self) -> bool {
        self.phase.busy() && !std::mem::replace(&mut self.stopping, true)
    }

    /// What ran is over; true where it went on with an answer.
    pub(super) fn over(&mut self) -> bool {
        self.stopping = false;
        std::mem::take(&mut self.going_on)
    }

    /// Takes in what the engine says it does.
    pub(super) fn event(&mut self, event: &Event) {
        let speeds = &mut self.speeds;
        self.phase.told(event);
        match event {
            Event::TurnStarted { .. } => speeds.a_step = None,
            Event::Drafted { drafts, .. } => speeds.a_step = drafts.tokens_a_step(),
            Event::TurnFinished(stats) => speeds.a_step = stats.drafts.tokens_a_step(),
            _ => {}
        }
        self.phase = match event {
            // An answer goes on from the cache: nothing is read.
            Event::TurnStarted {
                prompt_tokens: 0, ..
            } => Phase::Decoding {
                generated: 0,
                seconds: 0.0,
            },
            Event::TurnStarted { prompt_tokens, .. } => Phase::Prefill {
                share: 0.0,
                tokens: *prompt_tokens,
                seconds: 0.0,
            },
            &Event::Prefill {
                done,
                total,
                tokens,
                seconds,
                ..
            } => {
                let share = done as f64 / total.max(1) as f64;
                speeds.prefill = rate(tokens as f64 * share, seconds).or(speeds.prefill);
                Phase::Prefill {
                    share,
                    tokens,
                    seconds,
                }
            }
            &Event::Decoded {
                generated,
                seconds,
                position,
                ..
            } => {
                self.position = position;
                speeds.decode = rate(generated as f64, seconds).or(speeds.decode);
                Phase::Decoding { generated, seconds }
            }
            Event::TurnFinished(stats) => {
                // What was stopped while it was read says how long it took, not how far it got.
                if stats.generated_tokens > 0 || stats.stop != Stop::Interrupted {
                    let prefill = rate(stats.prompt_tokens as f64, stats.prefill_seconds);
                    let decode = rate(stats.generated_tokens as f64, stats.decode_seconds);
                    speeds.prefill = prefill.or(speeds.prefill);
                    speeds.decode = decode.or(speeds.decode);
                }
                Phase::Idle
            }
            Event::Ready { .. } | Event::Failed { .. } | Event::TooLong(_) => Phase::Idle,
            Event::Fatal(_) => Phase::Ended,
            _ => return,
        };
    }

    /// Stands where the answer will be: how far the reading is.
    pub(super) fn reading(&self) -> Option<Progress> {
        let Phase::Prefill {
            share,
            tokens,
            seconds,
        } = self.phase
        else {
            return None;
        };
        let share_read = human::percent_whole(share);
        let mut text = format!("reading {} tokens · {share_read}", human::thousands(tokens));
        let mut short = format!("reading · {share_read}");
        // An estimate means something only after a while.
        if share > 0.02 && seconds > 0.3 && share < 1.0 {
            let left = seconds / share * (1.0 - share);
            let left = format!(" · {} left", human::remaining(left));
            text.push_str(&left);
            short.push_str(&left);
        }
        Some(Progress { share, text, short })
    }
}
