//! `cachat ask`: one answer to stdout.

mod saved;

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use saved::{Following, Saved};

use super::CliError;
use super::answering::{Output, say};
use super::args::{
    ArchiveArgs, DraftArgs, EvictionArgs, ModelArgs, PromptArgs, SamplingArgs, settings,
};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::event::{Archived, Event, Stop, TurnStats};
use crate::engine::session::{Session, TurnError};
use crate::saved::Piece;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat ask \"What is a KV cache?\"
  cachat ask --file report.txt --budget 512 \"Which risks are named?\"
  cachat ask --file 'report.pdf#3-7' \"What does this chapter say?\"
  cat notes.md | cachat ask \"Summarise this\"
  cachat ask --file contract.pdf --turns questions.json --json
  cachat ask --session contract \"And when does it end?\"
  cachat ask --json --temperature 0 \"2 + 2?\" | jq .kv")]
pub struct AskArgs {
    /// The question; without one, the documents stand alone
    #[arg(value_name = "QUESTION")]
    pub question: Option<String>,

    /// Print one JSON object with the answer, timings, memory and evictions
    #[arg(long)]
    pub json: bool,

    /// Print what the model thinks as well, before its answer
    #[arg(long)]
    pub show_thoughts: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,

    /// Ask the questions of this JSON array one after the other, in one conversation
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Conversation",
        conflicts_with = "question"
    )]
    pub turns: Option<PathBuf>,

    /// Go on with a saved conversation, by its name or the beginning of it; begins one where there is
    /// none
    #[arg(long, value_name = "NAME", help_heading = "Conversation")]
    pub session: Option<String>,

    #[command(flatten)]
    pub archive: ArchiveArgs,

    #[command(flatten)]
    pub draft: DraftArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,
}

impl AskArgs {
    /// The settings in force for this answer.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        let mut settings = settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            Some(&self.sampling),
            Some(&self.conversation),
        )?;
        self.archive.apply(&mut settings);
        self.draft.apply(&mut settings);
        Ok(settings)
    }
}

/// Answers one question, or several in one conversation.
pub fn run(args: AskArgs, dirs: &Dirs) -> Result<(), CliError> {
    let settings = args.settings(dirs)?;
    let mut questions = match &args.turns {
        Some(path) => turns(path)?.into(),
        None => VecDeque::from([args.question.clone().unwrap_or_default()]),
    };
    let first = questions.pop_front().unwrap_or_default();
    let prompt = super::prompt::message(&args.conversation, Some(&first))?;
    let saved = args
        .session
        .as_deref()
        .map(|name| Saved::open(name, &settings, dirs));
    let mut saved = saved.transpose()?;
    let eviction = super::load::eviction(&settings);
    let model = super::load::model(&settings, dirs)?;
    model.template.notice().into_iter().for_each(say);
    model.sampling.notices.iter().for_each(|notice| say(notice));
    let sampling = settings.sampling.over(&model.sampling.said);
    let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
    let mut session =
        Session::new(model, eviction, settings.system.clone()).map_err(|e| failed(&e))?;
    session.set_draft(settings.draft);
    match super::load::archiving(&settings, dirs).open(&*session.model().network) {
        Ok(archive) => session.set_archive(archive).map_err(|e| failed(&e))?,
        Err(why) => say(&why),
    }
    if let Some(saved) = &mut saved {
        let messages = std::mem::take(&mut saved.messages);
        session
            .restart(settings.system.clone(), Some(messages))
            .map_err(|e| failed(&e))?;
        session.began(&saved.created);
    }
    let stop = super::interrupt::on_interrupt();
    let mut records = Vec::new();
    let mut next = Some((prompt.text.clone(), prompt.pieces()));
    let mut ended = Ok(());
    while let Some((text, pieces)) = next.take() {
        let mut output = Output::new(stop.clone(), args.json, args.show_thoughts);
        if let Some(saved) = &mut saved {
            saved.ask(pieces);
        }
        let mut following = Following {
            saved: saved.as_mut(),
            output: &mut output,
        };
        let answered = session.ask(&text, &sampling, &mut following);
        if answered.is_err()
            && let Some(saved) = &mut saved
            && let Err(error) = saved.broken_off()
        {
            say(&error.to_string());
        }
        let stats = answered.map_err(|error| match error {
            TurnError::TooLong(figures) if session.position() == 0 => prompt.refusal(figures),
            error => super::load::turn_error(error),
        })?;
        output.finish();
        crate::engine::log::event(&Event::TurnFinished(stats.clone()));
        let kept = match &mut saved {
            Some(saved) => saved.keep(output.thought, &stats),
            None => Ok(()),
        };
        if let Some(error) = output.closed.take() {
            kept?;
            return Err(error.into());
        }
        if args.json {
            records.push(record(&settings, &session, &stats, &output)?);
        } else {
            writeln!(std::io::stdout())?;
        }
        if let Err(error) = kept {
            // It was answered all the same.
            ended = Err(error.into());
            break;
        }
        if stats.stop == Stop::Interrupted {
            ended = Err(CliError::Interrupted);
            break;
        }
        next = questions.pop_front().map(|question| {
            let piece = Piece::Text(question.clone());
            (question, vec![piece])
        });
        if next.is_some() && !args.json {
            // Answers stand apart.
            writeln!(std::io::stdout())?;
        }
    }
    if args.json {
        let mut out = std::io::stdout().lock();
        let archive = archive(&session);
        let all = match (args.turns.is_some(), records.pop()) {
            (false, Some(mut one)) => {
                one["archive"] = archive;
                one
            }
            (_, last) => {
                records.extend(last);
                serde_json::json!({"turns": records, "archive": archive})
            }
        };
        super::safe::write_json(&mut out, &all)?;
    }
    ended
}

/// The questions of a file: a JSON array of texts.
fn turns(path: &Path) -> Result<Vec<String>, CliError> {
    let wrong = |why: &dyn std::fmt::Display| {
        let path = path.display();
        CliError::usage(format!(
            "--turns {path} must be a JSON array of questions: {why}"
        ))
    };
    let text = crate::document::bytes_of(path).map_err(|e| wrong(&e))?;
    let questions: Vec<String> = serde_json::from_slice(&text).map_err(|e| wrong(&e))?;
    match questions.iter().any(|question| question.trim().is_empty()) {
        _ if questions.is_empty() => Err(wrong(&"it has none")),
        true => Err(wrong(&"one of them is empty")),
        false => Ok(questions),
    }
}

/// What is archived of the conversation, and where.
fn archive(session: &Session) -> serde_json::Value {
    let Archived {
        mode, bytes, path, ..
    } = session.archived();
    serde_json::json!({"mode": mode, "bytes": bytes, "path": path})
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
    let per_second = |tokens: usize, seconds: f64| match seconds > 0.0 {
        true => tokens as f64 / seconds,
        false => 0.0,
    };
    Ok(serde_json::json!({
        "answer": output.said.answer,
        "thoughts": output.thoughts(),
        "stop": stats.stop,
        "prompt_tokens": stats.prompt_tokens,
        "reused_tokens": stats.reused_tokens,
        "recalled_entries": stats.recalled_entries,
        "generated_tokens": stats.generated_tokens,
        "thought_tokens": stats.thought_tokens,
        "prefill_seconds": stats.prefill_seconds,
        "decode_seconds": stats.decode_seconds,
        "prefill_tokens_per_second": per_second(stats.prompt_tokens, stats.prefill_seconds),
        "steps": stats.drafts.steps,
        "drafted_tokens": stats.drafts.drafted,
        "accepted_tokens": stats.drafts.accepted,
        "decode_tokens_per_second": per_second(stats.generated_tokens, stats.decode_seconds),
        "policy": settings.policy.name(),
        "budget": session.in_force().entries(),
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
