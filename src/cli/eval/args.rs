//! What `cachat eval` is asked.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::cli::CliError;
use crate::cli::args::{EvictionArgs, ModelArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::event::Compare;
use crate::engine::session::Model;
use crate::eval::data::Prompts;
use crate::eval::plan::Plan;
use crate::eval::synthetic::{Haystack, Task};
use crate::eval::texts::{Cut, Passage, Texts};
use crate::eval::{EvalError, Mode, Variant};
use crate::policy::budget::smallest;
use crate::policy::{Budget, Preset};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
A text is read once; every policy and budget selects its cache from that reading and answers greedily.
`full`, `random` and `streaming` are always in the table. Rows of data files are known by their fields:
  LongBench  input, context, answers, dataset, all_classes, _id (tables: --prompts, --max-gen)
  RULER      input, outputs         L-Eval     input, instructions[], outputs[], source, evaluation
  BABILong   input, question, target
  plain      context, questions[], answers[][], metric, max_tokens, classes[], choices[]
The metric of a plain row is one of
  f1 (unless it says), exact, contains, match-all, match-part, rouge-l, lcs, choice, choices, number, label,
  classification, count, retrieval, edit-similarity, printed, truth, exam, f1-zh, rouge-l-zh, retrieval-zh
or, of its `choices`, the likeliest: likelihood (per character), likelihood-raw
Of --text without --tasks passages are read and the tokens that really follow are held against: KL to the
full cache, agreement, perplexity, attention that is retained.
Scores can be held against published ones as far as rows are asked as published: without --prompts in words
of our own; Chinese is cut by characters; L-Eval's free answers are judged by words, and its short answers
and made needles get fewer tokens. docs/evaluation.md says all of it.

Examples:
  cachat eval --quick
  cachat eval --tasks needle,multikey,vt --lengths 1k,4k --budgets 128,512,25% --limit 20 --out run
  cachat eval qasper.jsonl --prompts dataset2prompt.json --policies snapkv,ada-snapkv --limit 50
  cachat eval --text report.pdf notes.md --lengths 2k --budgets 128,512 --out run
  cachat eval long-chats.jsonl --mode turns,turns-bare --budgets 256
  cachat eval quality.jsonl --mode later --budgets 10% --json | jq '.rows[] | {policy, score}'")]
pub struct EvalArgs {
    /// Data files, JSON Lines
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The same
    #[arg(long, value_name = "FILE", num_args = 1.., value_delimiter = ',')]
    pub data: Vec<PathBuf>,

    /// LongBench's dataset2prompt.json
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,

    /// LongBench's dataset2maxlen.json
    #[arg(long, value_name = "FILE")]
    pub max_gen: Option<PathBuf>,

    /// Tasks to make, separated by commas, as RULER defines them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = tasks())]
    pub tasks: Vec<Task>,

    /// Tokens of made prompts with their answers, and of passages with what follows, separated by commas:
    /// 1000, 4k (of 1024) [default: 1k]
    #[arg(long, alias = "length", value_name = "N,…", value_delimiter = ',', value_parser = tokens)]
    pub lengths: Vec<usize>,

    /// Texts of your own (anything that --file takes): how they go on is measured; with --tasks needles are
    /// hidden in them instead, in place of sentences that are made
    #[arg(long, value_name = "FILE", num_args = 1.., value_delimiter = ',', conflicts_with = "noise")]
    pub text: Vec<PathBuf>,

    /// Tokens of a passage that are held back, to follow what was read of it
    #[arg(long, value_name = "N", default_value = "256", value_parser = following)]
    pub follow: usize,

    /// Hide needles in the same five sentences over and over
    #[arg(long)]
    pub noise: bool,

    /// Policies, separated by commas [default: the default policy and the one with its score and uniform
    /// budgets]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub policies: Vec<Preset>,

    /// Budgets, separated by commas: entries per KV head, or N% of the prompt [default: 128,512]
    #[arg(long, value_name = "N|N%,…", value_delimiter = ',')]
    pub budgets: Vec<Budget>,

    /// When the cache is cut down, separated by commas: with (behind text and question), later (before any
    /// question is known), later-repeated (the same, judged by the text said again: KVzip), turns (questions
    /// are turns of a conversation), turns-bare (without an archive) [default: with]
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    pub mode: Vec<Mode>,

    /// Samples of each set, drawn by the seed [default: all of data files, 10 of made tasks and of texts]
    #[arg(long, value_name = "N", value_parser = samples)]
    pub limit: Option<usize>,

    /// The same seed makes and draws the same samples
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Most tokens of a prompt with its answer; longer ones lose their middle [default: the model's context]
    #[arg(long, value_name = "N", value_parser = tokens)]
    pub max_length: Option<usize>,

    /// Folder for the answers, one line each
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// Go on with a run that was ended
    #[arg(long, requires = "out")]
    pub resume: bool,

    /// A first look: three short tasks, a few samples
    #[arg(long, conflicts_with_all = ["files", "data", "tasks"])]
    pub quick: bool,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,
}

impl EvalArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(dirs, &self.model, Some(&self.eviction), None, None)
    }

    /// What `--quick` stands for, and what was said twice once.
    pub fn filled(mut self) -> EvalArgs {
        if self.quick {
            self.tasks = ["needle", "multikey", "fwe"]
                .into_iter()
                .filter_map(Task::named)
                .collect();
            self.limit = self.limit.or(Some(4));
            if self.budgets.is_empty() {
                self.budgets = vec![Budget::Share(0.25)];
            }
            if self.policies.is_empty() {
                self.policies = vec![Preset::SNAPKV, Preset::ADA_SNAPKV, Preset::POOLED_BLEND];
            }
        }
        self.files.append(&mut self.data);
        if self.lengths.is_empty() {
            self.lengths = vec![1024];
        }
        if self.mode.is_empty() {
            self.mode = vec![Mode::With];
        }
        once(&mut self.files, PathBuf::clone);
        once(&mut self.tasks, |task| task.name);
        once(&mut self.lengths, |&length| length);
        once(&mut self.mode, |mode| mode.name());
        // Answers are known by what a budget is called.
        once(&mut self.budgets, Budget::to_string);
        self
    }

    /// Policies at budgets.
    pub fn variants(&self, settings: &Settings) -> Result<Vec<Variant>, CliError> {
        let policies = match (self.policies.is_empty(), self.eviction.policy) {
            (true, Some(policy)) => vec![policy],
            (true, None) => Compare::usual(),
            (false, _) => self.policies.clone(),
        };
        let budgets = match (self.budgets.is_empty(), self.eviction.budget) {
            (true, Some(budget)) => vec![budget],
            (true, None) => vec![Budget::Tokens(128), Budget::Tokens(512)],
            (false, _) => self.budgets.clone(),
        };
        let params = crate::cli::load::eviction(settings).params;
        let least = smallest(params.window);
        if let Some(budget) = budgets
            .iter()
            .find(|b| matches!(b, Budget::Tokens(n) if *n < least))
        {
            return Err(CliError::usage(format!(
                "the budget {budget} would be filled by the observation window of {} alone; the \
                 smallest legal budget is {least}",
                params.window
            )));
        }
        Ok(Variant::all(&policies, &budgets, params))
    }

    /// What --text names: names and texts.
    pub fn texts(&self) -> Result<Vec<(String, String)>, CliError> {
        let read = |path: &PathBuf| {
            let document = crate::document::read(path)?;
            Ok((document.name, document.text))
        };
        self.text.iter().map(read).collect()
    }

    /// Whether it is asked how texts go on.
    pub fn follows(&self) -> bool {
        !self.text.is_empty() && self.tasks.is_empty()
    }

    /// Where needles are hidden.
    fn haystack(&self, texts: &[(String, String)]) -> Result<Haystack, CliError> {
        if self.noise {
            return Ok(Haystack::Noise);
        }
        if texts.is_empty() {
            return Ok(Haystack::Essay);
        }
        let all: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        let found = Haystack::of(&all.join("\n"));
        found.ok_or_else(|| CliError::failed("--text has no words in it"))
    }

    /// The passages of texts whose going on is asked, and their tokens.
    pub fn passages(
        &self,
        model: &Model,
        texts: &[(String, String)],
    ) -> Result<(Texts, Vec<Passage>), CliError> {
        if !self.follows() {
            return Ok((Texts::new(&[], &model.tokenizer)?, Vec::new()));
        }
        if let Some(length) = self
            .lengths
            .iter()
            .find(|&&length| length <= self.follow + 1)
        {
            return Err(CliError::usage(format!(
                "--lengths {length} leaves nothing to read before the {} tokens that follow (--follow)",
                self.follow
            )));
        }
        let texts = Texts::new(texts, &model.tokenizer)?;
        let passages = texts.passages(&Cut {
            lengths: self.lengths.clone(),
            limit: self.limit,
            seed: self.seed,
        })?;
        Ok((texts, passages))
    }

    /// Where everything that is asked comes from.
    pub fn plan(&self, model: &Model, texts: &[(String, String)]) -> Result<Plan, CliError> {
        let context = model.network.description().context;
        let over = self.lengths.iter().find(|&&length| length > context);
        let by_length = !self.tasks.is_empty() || self.follows();
        if let Some(length) = over.filter(|_| by_length) {
            return Err(CliError::usage(format!(
                "--lengths {length} is over the model's context of {context} tokens"
            )));
        }
        let prompts = Prompts::read(self.prompts.as_deref(), self.max_gen.as_deref());
        Ok(Plan {
            files: self.files.clone(),
            prompts: prompts.map_err(EvalError::from)?,
            tasks: self.tasks.clone(),
            lengths: self.lengths.clone(),
            haystack: self.haystack(if self.follows() { &[] } else { texts })?,
            limit: self.limit,
            seed: self.seed,
        })
    }
}

/// Leaves the first of those that are alike.
fn once<T, K: PartialEq>(values: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut known: Vec<K> = Vec::new();
    values.retain(|value| {
        let key = key(value);
        let new = !known.contains(&key);
        known.push(key);
        new
    });
}

/// The made tasks by name, RULER's names too.
fn tasks() -> impl TypedValueParser<Value = Task> {
    let value = |task: &Task| {
        PossibleValue::new(task.name)
            .help(task.about)
            .aliases(task.aliases)
    };
    let unknown = |name: String| Task::named(&name).ok_or("there is no such task");
    PossibleValuesParser::new(Task::ALL.iter().map(value)).try_map(unknown)
}

/// `4000`, `4k`.
fn tokens(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = match lower.strip_suffix('k') {
        Some(number) => (number, 1024),
        None => (lower.as_str(), 1),
    };
    let tokens = number
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(unit));
    let tokens = tokens.filter(|&n| n > 0);
    tokens.ok_or_else(|| "it is a number of tokens such as 1000 or 4k".to_owned())
}

/// Tokens that follow: the first is predicted by the reading itself.
fn following(text: &str) -> Result<usize, String> {
    let follow = tokens(text)?;
    let at_least_two = follow >= 2;
    at_least_two
        .then_some(follow)
        .ok_or_else(|| "two tokens are the least".to_owned())
}

/// A number of samples.
fn samples(text: &str) -> Result<usize, String> {
    let samples = text.parse().ok().filter(|&n: &usize| n > 0);
    samples.ok_or_else(|| "it is a number of samples, 1 at least".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metric::Metric;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: EvalArgs,
    }

    #[test]
    fn the_help_names_every_metric() {
        let help = <Line as clap::CommandFactory>::command();
        let help = help.get_after_help().unwrap().to_string();
        let words: Vec<&str> = help.split([' ', ',', '\n']).collect();
        for (name, _) in Metric::NAMES {
            assert!(words.contains(&name), "{name}");
        }
    }

    #[test]
    fn what_is_said_twice_is_done_once() {
        let line = "x a.jsonl a.jsonl --budgets 128,25%,128,25% --mode with,later,with \
                    --tasks needle,niah,vt --lengths 1k,1024,2k";
        let args = <Line as clap::Parser>::try_parse_from(line.split_whitespace());
        let args = args.unwrap_or_else(|e| panic!("{e}")).args.filled();
        assert_eq!(args.files.len(), 1);
        assert_eq!(args.budgets, [Budget::Tokens(128), Budget::Share(0.25)]);
        assert_eq!(args.mode, [Mode::With, Mode::Later]);
        assert_eq!(args.lengths, [1024, 2048]);
        assert_eq!(args.tasks.len(), 2);
        let none = <Line as clap::Parser>::try_parse_from(["x", "--quick", "--limit", "0"]);
        let error = none.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("1 at least"), "{error}");
    }
}
