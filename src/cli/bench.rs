//! `cachat bench`: speed and memory over context lengths and policies.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, settings};
use crate::archive::Mode;
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::archiving::Archiving;
use crate::engine::bench::{BenchRow, row};
use crate::engine::memory::{self, ProcessMemory};
use crate::engine::session::Session;
use crate::engine::throughput::Limits;
use crate::model::ModelError;
use crate::model::load::default_threads;
use crate::policy::Preset;
use crate::report;
use crate::report::bench::{Loaded, conditions};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat bench
  cachat bench --contexts 512,4096,8000 --policies full,ada-snapkv --budget 1024 --json
  cachat bench --contexts 2048,4096,8000 --chart speed.svg")]
pub struct BenchArgs {
    /// Context lengths in tokens, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [512, 2048, 4096])]
    pub contexts: Vec<usize>,

    /// Policies, separated by commas [default: full and the policy in force]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub policies: Vec<Preset>,

    /// Tokens to decode for each row
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub generate: usize,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,

    /// Also draw time per token and memory against the context into this SVG file
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    /// Keep what is read: disk or memory; then also how soon the first token comes when everything
    /// was read before [default: off]
    #[arg(long, value_name = "WHERE", ignore_case = true)]
    pub archive: Option<Mode>,
}

impl BenchArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(dirs, &self.model, Some(&self.eviction), None, None)
    }
}

/// Measures and prints.
pub fn run(args: BenchArgs, dirs: &Dirs) -> Result<(), CliError> {
    let mut settings = args.settings(dirs)?;
    if let Some(path) = &args.chart {
        // Not after minutes.
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|e| unwritten(path, &e))?;
    }
    let mut policies = args.policies.clone();
    if policies.is_empty() {
        policies = vec![Preset::FULL, settings.policy];
        policies.dedup();
    }
    let failed = |e: ModelError| CliError::failed(e.to_string());
    let evictions = super::load::evictions(&settings, policies);
    let file = super::load::file(&mut settings, dirs)?;
    let fit = super::load::fit(&settings, &file);
    let begun = Instant::now();
    let model = super::load::open(&settings, &file, &|_| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    let file_bytes = file.file_len();
    drop(file);
    memory::settle();
    let memory = ProcessMemory::now();
    let loaded = Loaded {
        seconds,
        file_bytes,
        weight_bytes: model.network.weight_bytes(),
        anonymous_bytes: memory.anonymous(),
        mapped_bytes: memory.mapped,
        device: model.network.device_memory(),
    };
    let threads = settings.threads.unwrap_or_else(default_threads);
    let limits = match &model.network.device()[..] {
        "cpu" => Limits::measure(threads),
        _ => None,
    };
    let mut session = Session::new(model, evictions[0], None).map_err(failed)?;
    let d = session.model().network.description().clone();
    if let Some(context) = args
        .contexts
        .iter()
        .find(|&&c| c == 0 || c.saturating_add(args.generate) > d.context)
    {
        return Err(CliError::usage(format!(
            "a context of {context} and {} decoded tokens do not fit the model's context of {}",
            args.generate, d.context
        )));
    }
    // The first work after loading pays for page faults and waking threads: not part of any row.
    let network = &session.model().network;
    let warm = session
        .evictor(d.context)
        .map_err(super::load::turn_error)?;
    row(network, &warm, 64.min(d.context / 2), 4, &|| None).map_err(failed)?;
    let mut rows = Vec::new();
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "{}\n", conditions(&loaded, limits.as_ref()))?;
        writeln!(out, "{}", report::bench::header())?;
    }
    for eviction in evictions {
        session.set_eviction(eviction);
        for &context in &args.contexts {
            let evictor = session.evictor(context).map_err(super::load::turn_error)?;
            let network = &session.model().network;
            let folder = tempfile::tempdir()?;
            let archiving = Archiving {
                mode: args.archive.unwrap_or(Mode::Off),
                root: folder.path().to_owned(),
                limit: u64::MAX,
            };
            let kept = match archiving.mode {
                Mode::Memory => archiving.open(&**network).map_err(CliError::failed)?,
                _ => None,
            };
            let archive = || {
                kept.clone()
                    .or_else(|| archiving.open(&**network).ok().flatten())
            };
            let mut measured =
                row(network, &evictor, context, args.generate, &archive).map_err(failed)?;
            measured.estimated_bytes = fit
                .as_ref()
                .map(|fit| fit.under(eviction).need(context + args.generate).total());
            measured.decode_bytes_per_second = fit.as_ref().map(|fit| {
                let bytes = fit.footprint().active + measured.kv_used_bytes;
                bytes as f64 * measured.decode_tokens_per_second
            });
            if !args.json {
                writeln!(out, "{}", report::bench::line(&measured))?;
            }
            rows.push(measured);
        }
    }
    if let Some(path) = &args.chart {
        let network = &session.model().network;
        let title = format!("{} on {}", d.name, network.device());
        draw(path, &rows, &super::safe::shown(&title))?;
    }
    if args.json {
        let network = &session.model().network;
        let machine = serde_json::json!({
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "cores": std::thread::available_parallelism().map_or(1, |n| n.get()),
            "threads": threads,
            "device": network.device(),
            "limits": limits,
        });
        let report = serde_json::json!({
            "machine": machine, "model": d.name, "loaded": loaded, "rows": rows
        });
        super::safe::write_json(&mut out, &report)?;
    }
    Ok(())
}

fn draw(path: &Path, rows: &[BenchRow], title: &str) -> Result<(), CliError> {
    match report::chart::chart(rows, title).map_err(|e| unwritten(path, &e))? {
        Some(svg) => std::fs::write(path, svg).map_err(|e| unwritten(path, &e)),
        None => Ok(()),
    }
}

fn unwritten(path: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::failed(format!("{} cannot be written: {why}", path.display()))
}
