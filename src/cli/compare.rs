//! `cachat compare`: one question under several policies.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::compare::{CompareEvent, MAX_TOKENS, PolicyRun};
use crate::engine::event::{CachePicture, Compare, Event};
use crate::engine::session::{Session, TurnError, Watcher};
use crate::model::thoughts::{self, Part};
use crate::policy::Preset;
use crate::report::compare::{conditions, table};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Every run reads the same prompt, evicts by its policy and answers greedily, so that differences come
from eviction alone. The full cache runs first; KL and top-1 feed its answer to every policy.

Examples:
  cachat compare --file report.txt --budget 256 \"Which risks are named?\"
  cachat compare --file report.txt --policies snapkv,ada-snapkv,ada-reach --budget 10%
  cachat compare --json --file report.txt \"Sum it up\" | jq '.runs[] | {policy, kl_mean}'")]
pub struct CompareArgs {
    /// The question; without one, the documents stand alone
    #[arg(value_name = "QUESTION")]
    pub question: Option<String>,

    /// Policies, separated by commas; `full` always runs first [default: full, the default policy
    /// and the one with its score and uniform budgets]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub policies: Vec<Preset>,

    /// Most tokens of each answer, at most 256
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128)]
    pub max_tokens: usize,

    /// Print one JSON object in place of the table and the answers
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,
}

impl CompareArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            None,
            Some(&self.conversation),
        )
    }
}

/// Compares and prints.
pub fn run(args: CompareArgs, dirs: &Dirs) -> Result<(), CliError> {
    let settings = args.settings(dirs)?;
    if args.max_tokens == 0 || args.max_tokens > MAX_TOKENS {
        let wrong = format!("--max-tokens is from 1 to {MAX_TOKENS} here");
        return Err(CliError::usage(wrong));
    }
    let prompt = super::prompt::message(&args.conversation, args.question.as_deref())?;
    let mut policies = vec![Preset::FULL];
    let wanted = match args.policies.is_empty() {
        true => Compare::usual(),
        false => args.policies.clone(),
    };
    for policy in wanted {
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    let evictions = super::load::evictions(&settings, policies);
    let model = super::load::model(&settings, dirs)?;
    let session = Session::new(model, evictions[0], settings.system.clone())
        .map_err(|e| CliError::failed(e.to_string()))?;
    let mut meter = Meter {
        stop: super::interrupt::on_interrupt(),
        terminal: std::io::stderr().is_terminal(),
        policies: Vec::new(),
        shown: String::new(),
    };
    let found = session.compare(Some(&prompt.text), &evictions, args.max_tokens, &mut meter);
    meter.clear();
    let found = found.map_err(|e| match e {
        TurnError::TooLong(figures) => prompt.refusal(figures),
        other => super::load::turn_error(other),
    })?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let network = &session.model().network;
        let mut record = serde_json::to_value(&found)?;
        record["model"] = network.description().name.clone().into();
        record["device"] = network.device().into();
        // The documents would make a record of it that nobody reads.
        record["question"] = args.question.unwrap_or_default().into();
        super::safe::write_json(&mut out, &record)?;
    } else {
        let runs: Vec<&PolicyRun> = found.runs.iter().collect();
        writeln!(out, "{}", conditions(&found.plan))?;
        write!(out, "\n{}", table(&runs))?;
        for run in runs {
            writeln!(out, "\n── {} ──\n{}", run.policy, marked(run))?;
        }
    }
    match found.stopped {
        true => Err(CliError::Interrupted),
        false => Ok(()),
    }
}

/// The answer, its thoughts quoted before it; where it leaves the full cache's, a mark.
fn marked(run: &PolicyRun) -> String {
    let mut at = 0;
    let (mut thoughts, mut answer) = (String::new(), String::new());
    let mut mark = run.first_divergence.map(|_| run.same_bytes);
    for (part, text) in thoughts::parts(&run.answer) {
        let here = mark.map(|mark| mark.saturating_sub(at));
        at += text.len();
        let out = match part {
            Part::Mark => continue,
            Part::Thought => &mut thoughts,
            Part::Answer => &mut answer,
        };
        match here.and_then(|here| text.split_at_checked(here)) {
            Some((same, rest)) => {
                out.extend([&super::safe::shown(same), "▸", &super::safe::shown(rest)]);
                mark = None;
            }
            None => out.push_str(&super::safe::shown(text)),
        }
    }
    if mark.is_some() {
        answer.push('▸');
    }
    match thoughts.trim() {
        "" => answer.trim().to_owned(),
        told => format!("{}{}", thoughts::quoted(told), answer.trim()),
    }
}

/// Shows on a terminal's stderr how far it is, and hears Ctrl-C.
struct Meter {
    stop: Arc<AtomicBool>,
    terminal: bool,
    policies: Vec<String>,
    shown: String,
}

impl Meter {
    fn clear(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    fn show(&mut self, run: usize, doing: String) {
        let policy = self.policies.get(run).map_or("", String::as_str);
        let line = format!("{}/{} {policy} {doing}", run + 1, self.policies.len());
        if self.terminal && line != self.shown {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K{line}").and_then(|()| err.flush());
            self.shown = line;
        }
    }
}

impl Watcher for Meter {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn event(&mut self, event: Event) {
        crate::engine::log::event(&event);
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let Event::Compare(event) = event else {
            return;
        };
        match event {
            CompareEvent::Started(plan) => {
                self.policies = plan.policies.into_iter().map(|(name, _)| name).collect();
            }
            CompareEvent::Prefill { run, share } => {
                self.show(run, format!("reads {}", percent(share)));
            }
            CompareEvent::Decoded { run, generated } => {
                self.show(run, format!("answers {generated}"));
            }
            CompareEvent::Measuring { run, share } => {
                self.show(run, format!("is measured {}", percent(share)));
            }
            _ => {}
        }
    }

    fn picture(&mut self, _: CachePicture) {}
}

#[cfg(test)]
mod tests {
    use super::{PolicyRun, marked};
    use crate::engine::event::Stop;

    #[test]
    fn thoughts_are_quoted_and_the_mark_stands_where_answers_part() {
        let run = |answer: &str, same: &str, parts: bool| {
            marked(&PolicyRun {
                policy: "snapkv".into(),
                budget: Some(64),
                kv_used_bytes: 1,
                kv_full_bytes: 1,
                prefill_seconds: 1.0,
                prefill_tokens_per_second: 1.0,
                decode_tokens_per_second: 1.0,
                generated_tokens: 1,
                stop: Stop::Eos,
                retained_mass: 1.0,
                kl: Vec::new(),
                kl_mean: None,
                top1_agree: None,
                first_divergence: parts.then_some(1),
                same_bytes: same.len(),
                answer: answer.into(),
            })
        };
        let thought = "<think>\nLet me see.\n</think>\n\nSeven.";
        assert_eq!(run(thought, thought, false), "> Let me see.\n\nSeven.");
        let (same, parted) = ("<think>\nLet me", "> Let me▸ see.\n\nSeven.");
        assert_eq!(run(thought, same, true), parted);
        // Within a mark: the next words differ.
        assert_eq!(run(thought, "<thi", true), "> ▸\n> Let me see.\n\nSeven.");
        assert_eq!(run("It is seven.", "It is", true), "It is▸ seven.");
        assert_eq!(run("It is", "It is", true), "It is▸");
    }
}
