//! From settings to a loaded model, for the commands without a screen.

use std::sync::Arc;

use super::CliError;
pub use super::running::{device, eviction, evictions, fit, terms, weights};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::archiving::Archiving;
use crate::engine::event::{Event, ModelInfo};
use crate::engine::free;
use crate::engine::memory;
use crate::engine::sampling::FileSampling;
use crate::engine::session::{Model, TurnError};
use crate::engine::worker::Loaded;
use crate::human::brief;
use crate::model::gguf::GgufFile;
use crate::model::source;
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;

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
    let model = open(&settings, &file, &|_| {});
    drop(file);
    memory::settle();
    model
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
    memory::settle();
    let info = info(&model, found);
    Ok(Loaded { model, info })
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

/// Where this command's conversations are archived.
pub fn archiving(settings: &Settings, dirs: &Dirs) -> Archiving {
    Archiving {
        mode: settings.archive,
        root: dirs.archive.clone(),
        limit: settings.archive_limit.0,
    }
}

/// A turn's failure with its exit status: an impossible budget is wrong usage.
pub fn turn_error(error: TurnError) -> CliError {
    match error {
        TurnError::Budget { .. } | TurnError::Size { .. } => CliError::usage(error.to_string()),
        _ => CliError::failed(error.to_string()),
    }
}
