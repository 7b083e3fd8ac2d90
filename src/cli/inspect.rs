//! `cachat inspect`: what eviction decides for a prompt.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::document;
use crate::engine::event::{Message, Role};
use crate::engine::inspect::inspect;
use crate::engine::session::Model;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat inspect --exact --tokens prompt.json --budget 256 --generate 32
  cachat inspect --file report.txt --policy ada-reach | jq '.layers[0].budgets'")]
pub struct InspectArgs {
    /// The prompt, as text; documents (--file, stdin) stand before it and the chat template around
    /// it, as `ask` has them
    #[arg(value_name = "PROMPT", conflicts_with = "tokens")]
    pub prompt: Option<String>,

    /// JSON file: an array of token ids, or an object with the key `tokens`; taken as they are,
    /// without template or special tokens
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub tokens: Option<PathBuf>,

    /// Also decode N tokens greedily, with the full and the evicted cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub generate: usize,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,
}

impl InspectArgs {
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

/// Prints the decisions as one JSON object.
pub fn run(args: InspectArgs, dirs: &Dirs) -> Result<(), CliError> {
    let mut settings = args.settings(dirs)?;
    let given = match &args.tokens {
        Some(path) => Given::Tokens(read_tokens(path)?),
        None => {
            let prompt = super::prompt::message(&args.conversation, args.prompt.as_deref())?;
            Given::Text(prompt.text)
        }
    };
    let eviction = super::load::eviction(&settings);
    let file = super::load::file(&mut settings, dirs)?;
    let fit = super::load::fit(&settings, &file);
    let (network, tokens) = match given {
        Given::Tokens(tokens) => (super::load::weights(&settings, &file, &|_| {})?, tokens),
        Given::Text(text) => {
            let model = super::load::open(&settings, &file, &|_| {})?;
            let tokens = encode(&model, settings.system.as_deref(), text)?;
            (model.network, tokens)
        }
    };
    let network = &network;
    let d = network.description().clone();
    if tokens.len() > d.context {
        return Err(CliError::failed(format!(
            "the prompt has {} tokens, {} more than the model's context of {}; shorten it or use a \
             model with a longer context",
            tokens.len(),
            tokens.len() - d.context,
            d.context
        )));
    }
    if tokens.len().saturating_add(args.generate) > d.context {
        return Err(CliError::usage(format!(
            "--generate {} goes beyond the model's context of {}: the prompt has {} tokens",
            args.generate,
            d.context,
            tokens.len()
        )));
    }
    let evictor = eviction
        .resolved(network.as_ref(), tokens.len())
        .map_err(super::load::turn_error)?;
    let found = inspect(network, &evictor, &tokens, args.generate).map_err(failed)?;
    let report = serde_json::json!({
        "model": {
            "name": d.name, "architecture": d.architecture(), "layers": d.layers.len(),
            "heads": d.heads(), "kv_heads": d.kv_heads(), "head_dim": d.head_dim(),
        },
        "policy": evictor.preset.name(),
        "budget": evictor.bounded().then_some(evictor.budget),
        "window": evictor.params.window,
        "kernel": evictor.params.kernel,
        "alpha": settings.alpha,
        "tokens": tokens.len(),
        "layers": found.layers,
        "full": found.full,
        "evicted": found.evicted,
        "kv": found.kv,
        // What a run under this policy takes, by the file's numbers; this command's own runs, which
        // keep the full cache beside it, take more.
        "memory": fit.map(|fit| {
            let need = fit.need(tokens.len());
            serde_json::json!({"estimate": need, "total": need.total()})
        }),
    });
    let mut out = std::io::stdout().lock();
    super::safe::write_json(&mut out, &report)
}

fn failed(error: crate::model::ModelError) -> CliError {
    CliError::failed(error.to_string())
}

/// The prompt as it was given.
enum Given {
    Tokens(Vec<u32>),
    Text(String),
}

/// The prompt as a conversation's first turn has it: in the model's chat template.
fn encode(model: &Model, system: Option<&str>, text: String) -> Result<Vec<u32>, CliError> {
    let message = |role, content| Message { role, content };
    let mut messages = Vec::new();
    if let Some(system) = system {
        messages.push(message(Role::System, system.to_owned()));
    }
    messages.push(message(Role::User, text));
    model
        .template
        .encode_chat(&model.tokenizer, &messages, true)
        .map_err(|e| CliError::failed(e.to_string()))
}

/// The file's ids, as they are.
fn read_tokens(path: &Path) -> Result<Vec<u32>, CliError> {
    let wrong = |why: String| CliError::failed(format!("{}: {why}", path.display()));
    let text = document::bytes_of(path).map_err(|e| wrong(e.to_string()))?;
    let text = String::from_utf8(text).map_err(|e| wrong(e.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| wrong(e.to_string()))?;
    let ids = match json {
        serde_json::Value::Object(mut all) => all.remove("tokens").unwrap_or_default(),
        ids => ids,
    };
    let ids: Vec<u32> = serde_json::from_value(ids).map_err(|_| {
        wrong("expected a JSON array of token ids, or an object with the key `tokens`".into())
    })?;
    match ids.is_empty() {
        true => Err(wrong("there are no tokens".into())),
        false => Ok(ids),
    }
}
