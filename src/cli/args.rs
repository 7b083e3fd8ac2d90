//! The options that several commands share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{FalseyValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::archive::Mode;
use crate::config::values::Size;
use crate::config::{ConfigFile, DeviceChoice, KvDtype, Partial, PartialSampling, Settings};
use crate::dirs::Dirs;
use crate::engine::drafting::Draft;
use crate::model::thinking::{Effort, Enable};
use crate::policy::{Budget, Preset};

use super::CliError;

/// Which model, and how it runs.
#[allow(rustdoc::broken_intra_doc_links)] // The fields' comments are the text of `--help`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// GGUF file, Hub repository (OWNER/REPO[:FILE]) or a name of `cachat models`
    #[arg(
        short,
        long,
        value_name = "PATH|REPO[:FILE]|NAME",
        env = "CACHAT_MODEL",
        hide_env = true
    )]
    pub model: Option<String>,

    /// Where to run: auto, cpu, cuda[:N] or metal [default: auto]
    #[arg(long, value_name = "DEVICE", env = "CACHAT_DEVICE", hide_env = true)]
    pub device: Option<DeviceChoice>,

    /// CPU threads (0 chooses)
    #[arg(short, long, value_name = "N", env = "CACHAT_THREADS", hide_env = true)]
    pub threads: Option<usize>,

    /// How keys and values are stored [default: auto]
    #[arg(
        long,
        value_name = "TYPE",
        value_enum,
        env = "CACHAT_KV_DTYPE",
        hide_env = true
    )]
    pub kv_dtype: Option<KvDtype>,

    /// Weights dequantised to f32, f32 cache: slow, decisions exact
    #[arg(long, env = "CACHAT_EXACT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub exact: bool,

    /// Settings file to use in place of the usual one
    #[arg(long, value_name = "FILE", env = "CACHAT_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
}

/// What the cache may keep, and who decides.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Eviction")]
pub struct EvictionArgs {
    /// Eviction policy [default: pooled-blend]
    #[arg(short, long, value_name = "NAME", value_parser = policies(), ignore_case = true,
          env = "CACHAT_POLICY", hide_env = true)]
    pub policy: Option<Preset>,

    /// Entries per KV head, window included; or N% of the prompt, at least the window and one; or
    /// a size such as 64MiB for the whole cache [default: 1024]
    #[arg(
        short,
        long,
        value_name = "TOKENS|N%|SIZE",
        env = "CACHAT_BUDGET",
        hide_env = true
    )]
    pub budget: Option<Budget>,

    /// Observation window in tokens [default: 32]
    #[arg(
        long,
        value_name = "TOKENS",
        env = "CACHAT_WINDOW",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub window: Option<usize>,

    /// Width of the max-pooling over scores, odd [default: 7]
    #[arg(
        long,
        value_name = "WIDTH",
        env = "CACHAT_KERNEL",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub kernel: Option<usize>,

    /// Safeguard: share of the uniform budget every head gets [default: 0.2]
    #[arg(
        long,
        value_name = "SHARE",
        env = "CACHAT_ALPHA",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub alpha: Option<f64>,

    /// Entries per head over budget before evicting again while answering [default: 128]
    #[arg(
        long,
        value_name = "TOKENS",
        env = "CACHAT_SLACK",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub slack: Option<usize>,
}

/// Where everything that was read is kept.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Archive")]
pub struct ArchiveArgs {
    /// Where everything that was read is kept, so that every question is answered from all of it and
    /// nothing is read twice: disk, memory or off [default: disk]
    #[arg(
        long,
        value_name = "WHERE",
        env = "CACHAT_ARCHIVE",
        hide_env = true,
        ignore_case = true
    )]
    pub archive: Option<Mode>,

    /// Most bytes of all archives together [default: 4GiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "CACHAT_ARCHIVE_LIMIT",
        hide_env = true
    )]
    pub archive_limit: Option<Size>,
}

impl ArchiveArgs {
    /// Lays these over the settings.
    pub fn apply(&self, settings: &mut Settings) {
        settings.archive = self.archive.unwrap_or(settings.archive);
        settings.archive_limit = self.archive_limit.unwrap_or(settings.archive_limit);
    }
}

/// How fast the answer comes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Speed")]
pub struct DraftArgs {
    /// Draft the answer from what was said before and verify some tokens at once, which changes its
    /// speed and not a word: auto (as far as it pays), off, or a number of tokens [default: auto]
    #[arg(long, value_name = "N", env = "CACHAT_DRAFT", hide_env = true)]
    pub draft: Option<Draft>,
}

impl DraftArgs {
    /// Lays these over the settings.
    pub fn apply(&self, settings: &mut Settings) {
        settings.draft = self.draft.unwrap_or(settings.draft);
    }
}

/// How the answer is drawn.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// 0 is greedy [default: 0.2]
    #[arg(
        long,
        value_name = "T",
        env = "CACHAT_TEMPERATURE",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub temperature: Option<f64>,

    /// Nucleus: likeliest tokens up to this share [default: 0.9]
    #[arg(
        long,
        value_name = "SHARE",
        env = "CACHAT_TOP_P",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub top_p: Option<f64>,

    /// The K likeliest tokens; 0 is off [default: 40]
    #[arg(
        long,
        value_name = "K",
        env = "CACHAT_TOP_K",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub top_k: Option<usize>,

    /// Drop tokens below this share of the likeliest; 0 is off [default: 0]
    #[arg(
        long,
        value_name = "SHARE",
        env = "CACHAT_MIN_P",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub min_p: Option<f64>,

    /// Make repeated tokens less likely; 1 is off [default: 1.1]
    #[arg(
        long,
        value_name = "X",
        env = "CACHAT_REPEAT_PENALTY",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub repeat_penalty: Option<f32>,

    /// Tokens back that the repeat penalty looks [default: 64]
    #[arg(
        long,
        value_name = "N",
        env = "CACHAT_REPEAT_LAST_N",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub repeat_last_n: Option<usize>,

    /// The same seed gives the same answer [default: 1]
    #[arg(
        long,
        value_name = "N",
        env = "CACHAT_SEED",
        hide_env = true,
        allow_negative_numbers = true
    )]
    pub seed: Option<u64>,

    /// Most tokens of one answer, thoughts included [default: 1024; 5120 for models that think]
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        env = "CACHAT_MAX_TOKENS",
        hide_env = true
    )]
    pub max_tokens: Option<usize>,

    /// Tokens after which a thought is ended and the answer begins; 0 is never [default: 4096]
    #[arg(long, value_name = "N", env = "CACHAT_THINK_TOKENS", hide_env = true)]
    pub think_tokens: Option<usize>,

    /// Whether a model that can think does [default: auto, as its makers meant it]
    #[arg(
        long,
        value_name = "WHEN",
        env = "CACHAT_ENABLE_THINKING",
        hide_env = true,
        ignore_case = true
    )]
    pub enable_thinking: Option<Enable>,

    /// How much it thinks, where its template asks [default: auto]
    #[arg(
        long,
        value_name = "EFFORT",
        env = "CACHAT_REASONING_EFFORT",
        hide_env = true,
        ignore_case = true
    )]
    pub reasoning_effort: Option<Effort>,
}

/// What is said besides the question.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Conversation")]
pub struct PromptArgs {
    /// System prompt
    #[arg(
        short,
        long,
        value_name = "TEXT",
        env = "CACHAT_SYSTEM",
        hide_env = true
    )]
    pub system: Option<String>,

    /// Document to read before the question: text, HTML or PDF (repeatable; `-` is stdin). PATH#3-7
    /// takes pages of a PDF, lines of other files
    #[arg(short, long, value_name = "PATH[#PART]")]
    pub file: Vec<PathBuf>,
}

/// The policies by name, and without their last `kv` (as papers write them).
fn policies() -> impl TypedValueParser<Value = Preset> {
    let value = |preset: Preset| {
        PossibleValue::new(preset.name())
            .help(preset.describe())
            .aliases(preset.name().strip_suffix("kv"))
            .hide(!Preset::ALL.contains(&preset))
    };
    PossibleValuesParser::new(Preset::every().map(value)).try_map(|name| name.parse::<Preset>())
}

/// The settings that result from the file and these options.
///
/// # Errors
/// An unreadable file is a failure; a value out of range is wrong usage.
pub fn settings(
    dirs: &Dirs,
    model: &ModelArgs,
    eviction: Option<&EvictionArgs>,
    sampling: Option<&SamplingArgs>,
    prompt: Option<&PromptArgs>,
) -> Result<Settings, CliError> {
    let eviction = eviction.cloned().unwrap_or_default();
    let sampling = sampling.cloned().unwrap_or_default();
    let said = Partial {
        model: model.model.clone(),
        device: model.device,
        threads: model.threads,
        kv_dtype: model.kv_dtype,
        // Absent, the flag says nothing, so that the file may switch exact mode on.
        exact: model.exact.then_some(true),
        policy: eviction.policy,
        budget: eviction.budget,
        window: eviction.window,
        kernel: eviction.kernel,
        alpha: eviction.alpha,
        slack: eviction.slack,
        archive: None,
        archive_limit: None,
        draft: None,
        system: prompt.and_then(|prompt| prompt.system.clone()),
        theme: None,
        mouse: None,
        sampling: PartialSampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            min_p: sampling.min_p,
            repeat_penalty: sampling.repeat_penalty,
            repeat_last_n: sampling.repeat_last_n,
            seed: sampling.seed,
            max_tokens: sampling.max_tokens,
            think_tokens: sampling.think_tokens,
            enable_thinking: sampling.enable_thinking,
            reasoning_effort: sampling.reasoning_effort,
        },
    };
    Ok(Settings::load(&config_file(dirs, model), said)?)
}

/// The settings file these options point to.
pub fn config_file(dirs: &Dirs, model: &ModelArgs) -> ConfigFile {
    match &model.config {
        Some(path) => ConfigFile::Named(path.clone()),
        None => ConfigFile::Usual(dirs.config_file()),
    }
}
