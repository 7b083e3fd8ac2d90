//! `cachat doctor`: what there is to run on, and whether it computes what it should.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::CliError;
use super::args::{ModelArgs, settings};
use crate::config::{DeviceChoice, Settings};
use crate::dirs::Dirs;
use crate::engine::doctor::machine::Machine;
use crate::engine::doctor::{Case, Doctor, Outcome};
use crate::model::{DeviceKind, LoadOptions};
use crate::report::doctor as report;

#[allow(rustdoc::broken_intra_doc_links)] // The fields' comments are the text of `--help`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat doctor
  cachat doctor --device cuda:1 --json

Needs no model: small ones are made for the test. Exit status 1 when a case fails.")]
pub struct DoctorArgs {
    /// What to test: auto, cpu, cuda[:N] or metal [default: auto]
    #[arg(long, value_name = "DEVICE", env = "CACHAT_DEVICE", hide_env = true)]
    pub device: Option<DeviceChoice>,

    /// CPU threads (0 chooses)
    #[arg(short, long, value_name = "N", env = "CACHAT_THREADS", hide_env = true)]
    pub threads: Option<usize>,

    /// Settings file to use in place of the usual one
    #[arg(long, value_name = "FILE", env = "CACHAT_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,
}

impl DoctorArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        let model = ModelArgs {
            device: self.device,
            threads: self.threads,
            config: self.config.clone(),
            ..ModelArgs::default()
        };
        settings(dirs, &model, None, None, None)
    }
}

/// Looks, tests and prints.
pub fn run(args: DoctorArgs, dirs: &Dirs) -> Result<(), CliError> {
    let settings = args.settings(dirs)?;
    let load = LoadOptions {
        device: super::load::device(&settings),
        threads: settings.threads,
        ..LoadOptions::default()
    };
    let ordinal = match load.device {
        DeviceKind::Cuda(ordinal) => ordinal,
        _ => 0,
    };
    let machine = Machine::now(ordinal, settings.threads);
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "{}\n", super::safe::shown(&report::machine(&machine)))?;
    }
    let doctor = match Doctor::new(&load) {
        Ok(doctor) => doctor,
        Err(error) => {
            let error = error.to_string();
            if args.json {
                let report = serde_json::json!({ "machine": machine, "ok": false, "error": error });
                super::safe::write_json(&mut out, &report)?;
            }
            return Err(CliError::failed(error));
        }
    };
    if !args.json {
        writeln!(out, "{}", report::header(&doctor.device, &doctor.ways))?;
    }
    let begun = Instant::now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for case in Case::all() {
        let outcome = doctor
            .examine(&case)
            .map_err(|e| CliError::failed(format!("{}: {e}", case.name())))?;
        if !args.json {
            writeln!(out, "{}", super::safe::shown(&report::line(&outcome)))?;
        }
        outcomes.push(outcome);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.ok).count();
    let all = outcomes.len();
    let seconds = begun.elapsed().as_secs_f64();
    if args.json {
        let report = serde_json::json!({
            "machine": machine,
            "device": doctor.device,
            "ok": failed == 0,
            "seconds": seconds,
            "cases": outcomes,
        });
        super::safe::write_json(&mut out, &report)?;
    } else {
        let summary = report::summary(&doctor.device, all - failed, all, seconds);
        writeln!(out, "\n{summary}")?;
    }
    match failed {
        0 => Ok(()),
        failed => Err(CliError::failed(report::advice(
            &doctor.device,
            failed,
            all,
        ))),
    }
}
