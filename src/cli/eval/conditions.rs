//! What a run's answers depend on: a run that was ended goes on under the same only.

use std::collections::BTreeMap;

use super::args::EvalArgs;
use crate::cli::CliError;
use crate::config::Settings;
use crate::engine::session::Model;
use crate::eval::data::{hash, hash_of};
use crate::eval::{EvalError, Variant};

/// Of a run.
///
/// # Errors
/// A file that cannot be read.
pub fn conditions(
    args: &EvalArgs,
    settings: &Settings,
    model: &Model,
    variants: &[Variant],
    texts: &[(String, String)],
) -> Result<serde_json::Value, CliError> {
    let d = model.network.description();
    let files = args.files.iter().map(|path| path.display().to_string());
    let variants = variants
        .iter()
        .map(|v| format!("{}@{}", v.policy(), v.budget()));
    let mut hashes = BTreeMap::new();
    for path in args.files.iter().chain(&args.prompts).chain(&args.max_gen) {
        let hash = hash(path).map_err(EvalError::from)?;
        hashes.insert(path.display().to_string(), hash);
    }
    // Of a document what was made of it: it may be a part, or come from a pipe.
    for (path, (_, text)) in args.text.iter().zip(texts) {
        hashes.insert(path.display().to_string(), hash_of(text));
    }
    Ok(serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
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
        "prompts": args.prompts,
        "max_gen": args.max_gen,
        "sha256": hashes,
        "tasks": args.tasks.iter().map(|task| task.name).collect::<Vec<_>>(),
        "lengths": args.lengths,
        "modes": args.mode.iter().map(|mode| mode.name()).collect::<Vec<_>>(),
        "variants": variants.collect::<Vec<_>>(),
        "limit": args.limit,
        "seed": args.seed,
        "max_length": args.max_length,
        "noise": args.noise,
        "text": args.text,
        "follow": args.follow,
    }))
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
