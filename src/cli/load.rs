//! From settings to a loaded model, for the commands without a screen.

use std::sync::Arc;

use candle_core::DType;

use super::CliError;
use crate::config::{DeviceChoice, KvDtype, Settings};
use crate::dirs::Dirs;
use crate::engine::archiving::Archiving;
use crate::engine::catalogue::Terms;
use crate::engine::event::{Event, ModelInfo};
use crate::engine::fit::Fit;
use crate::engine::free;
use crate::engine::sampling::FileSampling;
use crate::engine::session::{Eviction, Model, TurnError};
use crate::engine::worker::Loaded;
use crate::human::brief;
use crate::model::footprint::{Place, Way};
use crate::model::gguf::GgufFile;
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::model::{ComputePath, Description, DeviceKind, LoadOptions, Network, source};
use crate::policy::{Params, Preset};

/// Finds (or fetches) and opens the model's file, and settles where it runs.
pub fn file(settings: &mut Settings, dirs: &Dirs) -> Result<Arc<GgufFile>, CliError> {
    let mut meter = super::progress::Meter::new();
    let found = source::resolve(&settings.model, dirs, &mut |p| meter.show(&p))?;
    let file = Arc::new(gguf(&found.path).map_err(CliError::failed)?);
    if let Some(why) = super::auto::settle(settings, &file, dirs) {
        super::answering::say(&why);
    }
    room(settings, &file, &found.name).map_err(CliError::failed)?;
    Ok(file)
}

fn gguf(path: &std::path::Path) -> Result<GgufFile, String> {
    GgufFile::open(path).map_err(|e| brief(&e.in_file(path).to_string()))
}

/// Opens the model with its tokenizer and template and loads its weights.
pub fn model(settings: &Settings, dirs: &Dirs) -> Result<Model, CliError> {
    let mut settings = settings.clone();
    let file = file(&mut settings, dirs)?;
    open(&settings, &file, &|_| {})
}

/// For the app: finds, fetches and loads on the engine's thread, and tells how far it is. `beside`
/// another model, it must have room.
pub fn for_engine(
    settings: &Settings,
    dirs: &Dirs,
    beside: bool,
    tell: &dyn Fn(Event),
) -> Result<Loaded, String> {
    let found = source::resolve(&settings.model, dirs, &mut |p| {
        tell(Event::Fetching {
            what: p.what,
            done: p.done,
            total: p.total,
        });
    })
    .map_err(|e| brief(&e.to_string()))?;
    tell(Event::Loading { share: 0.0 });
    let file = Arc::new(gguf(&found.path)?);
    let mut settings = settings.clone();
    if let Some(why) = super::auto::settle(&mut settings, &file, dirs) {
        tell(Event::Notice(why));
    }
    let settings = &settings;
    room(settings, &file, &found.name).map_err(|why| match beside {
        true => format!(
            "{why}; or leave and start with --model {}: then no other model is in memory",
            settings.model
        ),
        false => why,
    })?;
    let (shares, told) = std::sync::mpsc::channel();
    let model = std::thread::scope(|scope| {
        // Loading reports from any thread; the engine's own hands it on.
        let loading = scope.spawn(move || {
            open(settings, &file, &|share| {
                let _ = shares.send(share);
            })
        });
        for share in told {
            tell(Event::Loading { share });
        }
        loading.join()
    });
    let model = match model {
        Ok(model) => model.map_err(|e| brief(&e.to_string()))?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let info = info(&model, found);
    Ok(Loaded { model, info })
}

/// How models run under these settings.
pub fn terms(settings: &Settings) -> Terms {
    Terms {
        way: Way {
            place: match settings.device {
                DeviceChoice::Auto if candle_core::utils::cuda_is_available() => Place::Gpu,
                DeviceChoice::Auto if candle_core::utils::metal_is_available() => Place::Portable,
                DeviceChoice::Auto | DeviceChoice::Cpu => Place::Host,
                DeviceChoice::Cuda(_) => Place::Gpu,
                DeviceChoice::Metal => Place::Portable,
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

/// What the file's model takes; `None` where it cannot be run, which loading it will say.
pub fn fit(settings: &Settings, file: &GgufFile) -> Option<Fit> {
    let d = Description::from_gguf(file).ok()?;
    let terms = terms(settings);
    Some(Fit::new(file, &d, terms.way, terms.eviction))
}

/// Refuses a model that cannot run for want of memory: the system would end the program, and with it
/// a model that works.
fn room(settings: &Settings, file: &GgufFile, name: &str) -> Result<(), String> {
    let terms = terms(settings);
    let free = free::of(terms.way, terms.ordinal);
    fit(settings, file).map_or(Ok(()), |fit| fit.refuse_model(name, free))
}

/// The loaded model, as the panels describe it.
fn info(model: &Model, found: source::ResolvedModel) -> ModelInfo {
    let network = &model.network;
    let d = network.description();
    ModelInfo {
        // The file's own title may be anything; people know the model by its file.
        name: found.name,
        architecture: d.architecture().into(),
        path: found.path,
        device: network.device(),
        layers: d.layers.len(),
        heads: d.heads(),
        kv_heads: d.kv_heads(),
        head_dim: d.head_dim(),
        context: d.context,
        weight_bytes: network.weight_bytes(),
        kv_dtype: network.kv_dtype().0.into(),
        sampling: model.sampling.said.clone(),
        thinking: model.template.knows(),
    }
}

/// With its tokenizer and template.
pub fn open(
    settings: &Settings,
    file: &Arc<GgufFile>,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Model, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
    let network = weights(settings, file, progress)?;
    let tokenizer = Tokenizer::from_gguf(file).map_err(|e| failed(&e))?;
    let template = ChatTemplate::from_gguf(file, &tokenizer).map_err(|e| failed(&e))?;
    template.set_thinking(settings.sampling.in_force().thinking);
    tracing::info!(
        model = ?settings.model.to_string(), architecture = ?network.description().architecture(),
        device = %network.device(), policy = %settings.policy, budget = %settings.budget,
        exact = settings.exact,
        "model opened"
    );
    let sampling = FileSampling::from_gguf(file);
    Ok(Model {
        network,
        tokenizer,
        sampling: match template.knows().thoughts {
            true => sampling.thinking(),
            false => sampling,
        },
        template,
    })
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
        path: ComputePath::Kernels,
    };
    crate::model::load(file, &options, progress).map_err(|e| CliError::failed(e.to_string()))
}

/// Where this command's conversations are archived.
pub fn archiving(settings: &Settings, dirs: &Dirs) -> Archiving {
    Archiving {
        mode: settings.archive,
        root: dirs.archive.clone(),
        limit: settings.archive_limit.0,
    }
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

/// A turn's failure with its exit status: an impossible budget is wrong usage.
pub fn turn_error(error: TurnError) -> CliError {
    match error {
        TurnError::Budget { .. } => CliError::usage(error.to_string()),
        _ => CliError::failed(error.to_string()),
    }
}
