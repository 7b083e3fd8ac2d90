//! From settings to a loaded model, for the commands without a screen.

use std::sync::Arc;

use candle_core::DType;

use super::CliError;
use crate::config::{DeviceChoice, KvDtype, Settings};
use crate::dirs::Dirs;
use crate::engine::session::{Eviction, Model, TurnError};
use crate::model::gguf::GgufFile;
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::model::{DeviceKind, LoadOptions, source};
use crate::policy::Params;

/// Finds (or fetches) and opens the model's file.
pub fn file(settings: &Settings, dirs: &Dirs) -> Result<Arc<GgufFile>, CliError> {
    let mut meter = super::progress::Meter::new();
    let found = source::resolve(&settings.model, dirs, &mut |p| meter.show(&p))?;
    let file = GgufFile::open(&found.path).map_err(|e| CliError::failed(e.to_string()))?;
    Ok(Arc::new(file))
}

/// Opens the model with its tokenizer and template and loads its weights.
pub fn model(settings: &Settings, dirs: &Dirs) -> Result<Model, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
    let file = file(settings, dirs)?;
    let options = LoadOptions {
        device: match settings.device {
            DeviceChoice::Auto => DeviceKind::Auto,
            DeviceChoice::Cpu => DeviceKind::Cpu,
            DeviceChoice::Cuda(n) => DeviceKind::Cuda(n),
            DeviceChoice::Metal => DeviceKind::Metal,
        },
        threads: settings.threads,
        kv_dtype: match settings.kv_dtype {
            KvDtype::Auto => None,
            KvDtype::F16 => Some(DType::F16),
            KvDtype::Bf16 => Some(DType::BF16),
            KvDtype::F32 => Some(DType::F32),
        },
        exact: settings.exact,
        portable: false,
    };
    let network = crate::model::load(&file, &options, &|_| {}).map_err(|e| failed(&e))?;
    let tokenizer = Tokenizer::from_gguf(&file).map_err(|e| failed(&e))?;
    let template = ChatTemplate::from_gguf(&file, &tokenizer).map_err(|e| failed(&e))?;
    Ok(Model {
        network,
        tokenizer,
        template,
    })
}

/// The settings' policy.
pub fn eviction(settings: &Settings) -> Result<Eviction, CliError> {
    let preset = settings
        .policy
        .parse()
        .map_err(|e: crate::policy::preset::UnknownPolicy| CliError::usage(e.to_string()))?;
    Ok(Eviction {
        preset,
        params: Params {
            window: settings.window,
            kernel: settings.kernel,
            alpha: alpha(settings.alpha),
            slack: settings.slack,
        },
        budget: settings.budget,
    })
}

/// A turn's failure with its exit status: an impossible budget is wrong usage.
pub fn turn_error(error: TurnError) -> CliError {
    match error {
        TurnError::Budget { .. } => CliError::usage(error.to_string()),
        _ => CliError::failed(error.to_string()),
    }
}

/// The decimal number that was typed, not its f32 neighbour: the safeguard floors `α · base`.
fn alpha(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
