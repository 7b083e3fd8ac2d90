//! `cachat ask`: one answer to stdout.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, SamplingArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::event::{CachePicture, Event, EvictionRound, Stop, TurnStats};
use crate::engine::session::{Session, TurnError, Watcher};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat ask \"What is a KV cache?\"
  cachat ask --file report.txt --budget 512 \"Which risks are named?\"
  cachat ask --file 'report.pdf#3-7' \"What does this chapter say?\"
  cat notes.md | cachat ask \"Summarise this\"
  cachat ask --json --temperature 0 \"2 + 2?\" | jq .kv")]
pub struct AskArgs {
    /// The question; without one, the documents stand alone
    #[arg(value_name = "QUESTION")]
    pub question: Option<String>,

    /// Print one JSON object with the answer, timings, memory and evictions
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,
}

impl AskArgs {
    /// The settings in force for this answer.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            Some(&self.sampling),
            Some(&self.conversation),
        )
    }
}

/// Answers one question.
pub fn run(args: AskArgs, dirs: &Dirs) -> Result<(), CliError> {
    let settings = args.settings(dirs)?;
    let prompt = super::prompt::message(&args.conversation, args.question.as_deref())?;
    let eviction = super::load::eviction(&settings);
    let model = super::load::model(&settings, dirs)?;
    if let Some(notice) = model.template.notice() {
        let _ = writeln!(std::io::stderr(), "cachat: {}", super::safe::shown(notice));
    }
    let mut session = Session::new(model, eviction, settings.system.clone())
        .map_err(|e| CliError::failed(e.to_string()))?;
    let mut output = Output {
        stop: super::interrupt::on_interrupt(),
        json: args.json,
        answer: String::new(),
        evictions: Vec::new(),
        closed: None,
    };
    let stats = session
        .ask(&prompt.text, &settings.sampling, &mut output)
        .map_err(|error| match error {
            TurnError::TooLong(figures) => prompt.refusal(figures),
            error => super::load::turn_error(error),
        })?;
    crate::engine::log::event(&Event::TurnFinished(stats.clone()));
    if let Some(error) = output.closed.take() {
        return Err(error.into());
    }
    let mut out = std::io::stdout().lock();
    match args.json {
        true => {
            let record = record(&settings, &session, &stats, &output)?;
            super::safe::write_json(&mut out, &record)?;
        }
        false => writeln!(out)?,
    }
    match stats.stop {
        Stop::Interrupted => Err(CliError::Interrupted),
        _ => Ok(()),
    }
}

/// The record of `--json`.
fn record(
    settings: &Settings,
    session: &Session,
    stats: &TurnStats,
    output: &Output,
) -> Result<serde_json::Value, CliError> {
    let network = &session.model().network;
    let picture = session.picture();
    let evictor = session
        .evictor(stats.prompt_tokens)
        .map_err(super::load::turn_error)?;
    let per_second = |tokens: usize, seconds: f64| match seconds > 0.0 {
        true => tokens as f64 / seconds,
        false => 0.0,
    };
    Ok(serde_json::json!({
        "answer": output.answer,
        "stop": stats.stop,
        "prompt_tokens": stats.prompt_tokens,
        "generated_tokens": stats.generated_tokens,
        "prefill_seconds": stats.prefill_seconds,
        "decode_seconds": stats.decode_seconds,
        "prefill_tokens_per_second": per_second(stats.prompt_tokens, stats.prefill_seconds),
        "decode_tokens_per_second": per_second(stats.generated_tokens, stats.decode_seconds),
        "policy": settings.policy.name(),
        "budget": evictor.bounded().then_some(evictor.budget),
        "model": network.description().name,
        "device": network.device(),
        "kv": {
            "used_bytes": picture.used_bytes,
            "allocated_bytes": picture.allocated_bytes,
            "peak_bytes": picture.peak_bytes,
            "full_bytes": picture.full_bytes,
            "dtype": network.kv_dtype().0,
        },
        "evictions": output.evictions,
    }))
}

/// Prints the answer as it comes; a terminal never sees a control character of the model's.
struct Output {
    stop: Arc<AtomicBool>,
    json: bool,
    answer: String,
    evictions: Vec<EvictionRound>,
    closed: Option<std::io::Error>,
}

impl Watcher for Output {
    fn stopped(&self) -> bool {
        self.closed.is_some() || self.stop.load(Ordering::Relaxed)
    }

    fn event(&mut self, event: Event) {
        crate::engine::log::event(&event);
        match event {
            Event::Text { piece, .. } => {
                if !self.json {
                    let mut out = std::io::stdout().lock();
                    let printed =
                        write!(out, "{}", super::safe::shown(&piece)).and_then(|()| out.flush());
                    self.closed = self.closed.take().or(printed.err());
                }
                self.answer.push_str(&piece);
            }
            Event::Eviction(round) => self.evictions.push(*round),
            _ => {}
        }
    }

    fn picture(&mut self, _picture: CachePicture) {}
}
