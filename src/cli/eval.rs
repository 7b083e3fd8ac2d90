//! `cachat eval`: what policies cost, over data files and made tasks.

mod meter;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::event::Compare;
use crate::engine::session::Model;
use crate::eval::data::{Prompts, Sample};
use crate::eval::runner::Runner;
use crate::eval::synthetic::{Haystack, Task};
use crate::eval::{EvalError, Key, Mode, Record, Store, Summary, Variant, plan};
use crate::model::thinking::{Effort, Enable, Thinking};
use crate::policy::budget::smallest;
use crate::policy::{Budget, Preset};
use meter::Meter;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
A text is read once; every policy and budget selects its cache from that reading and answers greedily.
`full`, `random` and `streaming` are always in the table. Rows of data files are known by their fields:
  LongBench  input, context, answers, dataset, all_classes, _id (tables: --prompts, --max-gen)
  RULER      input, outputs         L-Eval     input, instructions[], outputs[], source, evaluation
  BABILong   input, question, target
  plain      context, questions[], answers[][], metric, max_tokens

Examples:
  cachat eval --quick
  cachat eval --tasks needle,multikey,vt --lengths 1k,4k --budgets 128,512,25% --limit 20 --out run
  cachat eval qasper.jsonl --prompts dataset2prompt.json --policies snapkv,ada-snapkv --limit 50
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

    /// Tokens of made prompts with their answers, separated by commas: 1000, 4k (of 1024) [default: 1k]
    #[arg(long, alias = "length", value_name = "N,…", value_delimiter = ',', value_parser = tokens)]
    pub lengths: Vec<usize>,

    /// Text files to hide needles in, in place of sentences that are made
    #[arg(long, value_name = "FILE", num_args = 1.., value_delimiter = ',', conflicts_with = "noise")]
    pub text: Vec<PathBuf>,

    /// Hide needles in the same five sentences over and over
    #[arg(long)]
    pub noise: bool,

    /// Policies, separated by commas [default: the default policy and the one with its score and uniform
    /// budgets]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = crate::eval::policy)]
    pub policies: Vec<Preset>,

    /// Budgets, separated by commas: entries per KV head, or N% of the prompt [default: 128,512]
    #[arg(long, value_name = "N|N%,…", value_delimiter = ',')]
    pub budgets: Vec<Budget>,

    /// When the cache is cut down, separated by commas: with (behind text and question), later (before any
    /// question is known), turns (questions are turns of a conversation), turns-bare (without an archive)
    /// [default: with]
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    pub mode: Vec<Mode>,

    /// Samples of each set, drawn by the seed [default: all of data files, 10 of made tasks]
    #[arg(long, value_name = "N")]
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

/// Samples of each made task, unless it is said.
const MADE: usize = 10;

impl EvalArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(dirs, &self.model, Some(&self.eviction), None, None)
    }

    /// What `--quick` stands for.
    fn filled(mut self) -> EvalArgs {
        if self.quick {
            self.tasks = ["needle", "multikey", "fwe"]
                .into_iter()
                .filter_map(Task::named)
                .collect();
            self.limit = self.limit.or(Some(4));
            if self.budgets.is_empty() {
                self.budgets = vec![Budget::Tokens(128)];
            }
        }
        self.files.append(&mut self.data);
        if self.lengths.is_empty() {
            self.lengths = vec![1024];
        }
        if self.mode.is_empty() {
            self.mode = vec![Mode::With];
        }
        self
    }

    fn variants(&self, settings: &Settings) -> Result<Vec<Variant>, CliError> {
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
        let params = super::load::eviction(settings).params;
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

    fn haystack(&self) -> Result<Haystack, CliError> {
        if self.noise {
            return Ok(Haystack::Noise);
        }
        if self.text.is_empty() {
            return Ok(Haystack::Essay);
        }
        let mut all = String::new();
        for path in &self.text {
            let document = crate::document::read(path)?;
            all.push_str(&document.text);
            all.push('\n');
        }
        Haystack::of(&all).ok_or_else(|| CliError::failed("--text has no words in it"))
    }

    fn samples(&self, model: &Model) -> Result<Vec<Sample>, CliError> {
        let prompts = Prompts::read(self.prompts.as_deref(), self.max_gen.as_deref());
        let prompts = prompts.map_err(EvalError::from)?;
        let mut all = plan::of_files(&self.files, &prompts, self.limit, self.seed)?;
        let context = model.network.description().context;
        let over = self.lengths.iter().find(|&&length| length > context);
        if let Some(length) = over.filter(|_| !self.tasks.is_empty()) {
            return Err(CliError::usage(format!(
                "--lengths {length} is over the model's context of {context} tokens"
            )));
        }
        all.extend(plan::of_tasks(
            &self.tasks,
            &self.lengths,
            self.limit.unwrap_or(MADE),
            self.seed,
            &self.haystack()?,
            &model.tokenizer,
        )?);
        Ok(all)
    }
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

impl From<EvalError> for CliError {
    fn from(error: EvalError) -> Self {
        CliError::Failed(error.to_string())
    }
}

/// Evaluates and prints.
pub fn run(args: EvalArgs, dirs: &Dirs) -> Result<(), CliError> {
    let args = args.filled();
    let settings = args.settings(dirs)?;
    if args.files.is_empty() && args.tasks.is_empty() {
        let wrong = "there is nothing to ask: name data files, --tasks or --quick";
        return Err(CliError::usage(wrong));
    }
    let variants = args.variants(&settings)?;
    let model = super::load::model(&settings, dirs)?;
    model.template.set_thinking(Thinking {
        enable: Enable::Off,
        effort: Effort::Auto,
    });
    // A template that tells the date tells the same one in every run.
    model.template.began_at(chrono::DateTime::UNIX_EPOCH.into());
    let samples = args.samples(&model)?;
    if samples.is_empty() {
        return Err(CliError::failed("the data files have no rows"));
    }
    let conditions = conditions(&args, &settings, &model, &variants);
    let store = match &args.out {
        Some(folder) => Some(Store::open(folder, &conditions, args.resume)?),
        None => None,
    };
    let records = answers(&args, &model, &variants, &samples, store)?;
    let summary = Summary::of(&records);
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut report = serde_json::to_value(&summary)?;
        report["conditions"] = conditions;
        return super::safe::write_json(&mut out, &report);
    }
    let table = crate::eval::markdown(&summary);
    Ok(write!(out, "{}", super::safe::shown(&table))?)
}

/// All answers, in the order of the table; those that a store has are not given again.
fn answers(
    args: &EvalArgs,
    model: &Model,
    variants: &[Variant],
    samples: &[Sample],
    mut store: Option<Store>,
) -> Result<Vec<Record>, CliError> {
    let mut meter = Meter::new(samples.len() * args.mode.len());
    let mut records = Vec::new();
    for &mode in &args.mode {
        let runner = Runner {
            model,
            variants,
            mode,
            most: args.max_length.unwrap_or(usize::MAX),
        };
        for sample in samples {
            let known = store
                .as_ref()
                .and_then(|store| kept(store, sample, variants, mode));
            let was_known = known.is_some();
            let answered = match known {
                Some(known) => known,
                None => {
                    meter.begin(&sample.dataset);
                    let Some(found) = runner.run(sample, &mut meter)? else {
                        meter.clear();
                        if args.out.is_some() {
                            let hint = "cachat: the answers so far are kept; go on with --resume";
                            let _ = writeln!(std::io::stderr(), "{hint}");
                        }
                        return Err(CliError::Interrupted);
                    };
                    found
                }
            };
            meter.done(was_known);
            if let Some(store) = store.as_mut().filter(|_| !was_known) {
                store.add(answered.clone())?;
            }
            records.extend(answered);
        }
    }
    Ok(records)
}

/// The sample's answers, where the store has them all.
fn kept(store: &Store, sample: &Sample, variants: &[Variant], mode: Mode) -> Option<Vec<Record>> {
    let mut keys = Vec::new();
    for variant in variants {
        for question in 0..sample.questions.len() {
            keys.push(Key {
                sample: sample.id.clone(),
                mode: mode.name().into(),
                policy: variant.policy().into(),
                budget: variant.budget(),
                question,
            });
        }
    }
    keys.iter().map(|key| store.get(key)).collect()
}

/// What the answers depend on.
fn conditions(
    args: &EvalArgs,
    settings: &Settings,
    model: &Model,
    variants: &[Variant],
) -> serde_json::Value {
    let d = model.network.description();
    let files = args.files.iter().map(|path| path.display().to_string());
    let variants = variants
        .iter()
        .map(|v| format!("{}@{}", v.policy(), v.budget()));
    serde_json::json!({
        "model": d.name,
        "fingerprint": fingerprint(model),
        "device": model.network.device(),
        "kv_dtype": model.network.kv_dtype().0,
        "exact": settings.exact,
        "window": settings.window,
        "kernel": settings.kernel,
        "alpha": settings.alpha,
        "slack": settings.slack,
        "files": files.collect::<Vec<_>>(),
        "tasks": args.tasks.iter().map(|task| task.name).collect::<Vec<_>>(),
        "lengths": args.lengths,
        "modes": args.mode.iter().map(|mode| mode.name()).collect::<Vec<_>>(),
        "variants": variants.collect::<Vec<_>>(),
        "limit": args.limit,
        "seed": args.seed,
        "max_length": args.max_length,
        "noise": args.noise,
        "text": args.text,
    })
}

/// The weights', so that answers of two models do not mix.
fn fingerprint(model: &Model) -> String {
    let bytes = model.network.identity().fingerprint;
    bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
