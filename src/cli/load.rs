//! From settings to a loaded model, for the commands without a screen.

use std::sync::Arc;

use candle_core::DType;

use super::CliError;
use crate::config::{DeviceChoice, KvDtype, Settings};
use crate::dirs::Dirs;
use crate::engine::evict::Evictor;
use crate::model::gguf::GgufFile;
use crate::model::{DeviceKind, LoadOptions, Network, source};
use crate::policy::{Params, Preset};

/// A model on its device.
pub struct Loaded {
    pub network: Box<dyn Network>,
}

/// Finds (or fetches), opens and loads the model.
pub fn model(settings: &Settings, dirs: &Dirs) -> Result<Loaded, CliError> {
    let mut bar = super::progress::Meter::new();
    let found = source::resolve(&settings.model, dirs, &mut |p| bar.show(&p))?;
    drop(bar);
    let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
    let file = Arc::new(GgufFile::open(&found.path).map_err(|e| failed(&e))?);
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
    Ok(Loaded { network })
}

/// The settings' policy for a prompt of `prompt` tokens.
///
/// # Errors
/// A budget that is not larger than the observation window.
pub fn evictor(
    settings: &Settings,
    network: &dyn Network,
    prompt: usize,
) -> Result<Evictor, CliError> {
    let preset: Preset = settings
        .policy
        .parse()
        .map_err(|e: crate::policy::preset::UnknownPolicy| CliError::usage(e.to_string()))?;
    let d = network.description();
    let entry = d.entry_bytes(network.kv_dtype().1);
    let budget = settings
        .budget
        .entries_per_head(prompt, d.all_kv_heads(), entry);
    let evictor = Evictor {
        preset,
        params: Params {
            window: settings.window,
            kernel: settings.kernel,
            alpha: alpha(settings.alpha),
            slack: settings.slack,
        },
        budget,
    };
    if evictor.bounded() && budget <= settings.window {
        return Err(CliError::usage(format!(
            "the budget comes to {budget} entries per KV head, which the observation window of {} \
             alone would fill; the smallest legal budget is {}",
            settings.window,
            settings.window + 1
        )));
    }
    Ok(evictor)
}

/// The decimal number that was typed, not its f32 neighbour: the safeguard floors `α · base`.
fn alpha(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
