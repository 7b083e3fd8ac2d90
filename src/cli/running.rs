//! How models run under the settings.

use std::sync::Arc;

use candle_core::DType;

use super::CliError;
use crate::config::{DeviceChoice, KvDtype, Settings};
use crate::engine::catalogue::Terms;
use crate::engine::doctor::trust;
use crate::engine::fit::Fit;
use crate::engine::session::Eviction;
use crate::model::footprint::{Place, Way};
use crate::model::gguf::GgufFile;
use crate::model::{Description, DeviceKind, LoadOptions, Network};
use crate::policy::{Params, Preset};

/// How models run under these settings.
pub fn terms(settings: &Settings) -> Terms {
    Terms {
        way: Way {
            place: match settings.device {
                DeviceChoice::Auto if candle_core::utils::cuda_is_available() => Place::Gpu,
                DeviceChoice::Auto if candle_core::utils::metal_is_available() => metal(),
                DeviceChoice::Auto | DeviceChoice::Cpu => Place::Host,
                DeviceChoice::Cuda(_) => Place::Gpu,
                DeviceChoice::Metal => metal(),
            },
            exact: settings.exact,
            element: match settings.kv_dtype {
                KvDtype::F32 => 4,
                KvDtype::Auto if settings.exact => 4,
                KvDtype::Auto | KvDtype::F16 | KvDtype::Bf16 => 2,
            },
        },
        ordinal: match settings.device {
            DeviceChoice::Cuda(ordinal) => ordinal,
            _ => 0,
        },
        eviction: eviction(settings),
    }
}

/// On Metal, as far as is known now.
fn metal() -> Place {
    match trust::known_wrong() {
        true => Place::Portable,
        false => Place::Gpu,
    }
}

/// What the file's model takes; `None` where it cannot be run, which loading it will say.
pub fn fit(settings: &Settings, file: &GgufFile) -> Option<Fit> {
    let d = Description::from_gguf(file).ok()?;
    let terms = terms(settings);
    Some(Fit::new(file, &d, terms.way, terms.eviction))
}

/// Where models run.
pub fn device(settings: &Settings) -> DeviceKind {
    match settings.device {
        DeviceChoice::Auto => DeviceKind::Auto,
        DeviceChoice::Cpu => DeviceKind::Cpu,
        DeviceChoice::Cuda(n) => DeviceKind::Cuda(n),
        DeviceChoice::Metal => DeviceKind::Metal,
    }
}

/// Only its weights: the file needs no vocabulary.
pub fn weights(
    settings: &Settings,
    file: &Arc<GgufFile>,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Arc<dyn Network>, CliError> {
    let options = LoadOptions {
        device: device(settings),
        threads: settings.threads,
        kv_dtype: match settings.kv_dtype {
            KvDtype::Auto => None,
            KvDtype::F16 => Some(DType::F16),
            KvDtype::Bf16 => Some(DType::BF16),
            KvDtype::F32 => Some(DType::F32),
        },
        exact: settings.exact,
        path: trust::path(device(settings)),
    };
    crate::model::load(file, &options, progress).map_err(|e| CliError::failed(e.to_string()))
}

/// [`eviction`] under each of `policies`, everything else as the settings say.
pub fn evictions(settings: &Settings, policies: impl IntoIterator<Item = Preset>) -> Vec<Eviction> {
    let stated = eviction(settings);
    let under = |preset| Eviction { preset, ..stated };
    policies.into_iter().map(under).collect()
}

/// The settings' policy.
pub fn eviction(settings: &Settings) -> Eviction {
    Eviction {
        preset: settings.policy,
        params: Params {
            window: settings.window,
            kernel: settings.kernel,
            alpha: settings.alpha,
            slack: settings.slack,
        },
        budget: settings.budget,
    }
}
