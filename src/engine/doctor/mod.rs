//! Whether a device computes what it should: made models run on it, beside the CPU's exact results.

pub mod cases;
pub mod machine;
#[cfg(test)]
mod tests;
mod trace;
pub mod trust;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::model::LoadOptions;
use crate::model::error::Result;
use crate::model::gguf::GgufFile;
use crate::model::load::{Opened, load_on};
use crate::testing::write_tiny_gguf;
pub use cases::{Case, Way};
use trace::Trace;

/// What came out of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub case: String,
    pub ok: bool,
    /// What the device took, loading included.
    pub milliseconds: f64,
    pub ways: Vec<Difference>,
}

/// How far one way of computing is from the exact one.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub way: &'static str,
    pub ok: bool,
    /// By the largest logit.
    pub logits: Option<f32>,
    /// Of the observation window's scores, where they should be exact too.
    pub scores: Option<f32>,
    pub bound: f32,
    /// Why there is nothing to compare.
    pub error: Option<String>,
}

impl Difference {
    fn of(way: &Way, bound: f32, trace: Result<Trace>, exact: &Trace) -> Difference {
        let (logits, scores, error) = match trace {
            Ok(trace) => {
                let scores = way.load.exact.then(|| trace.scores_off(exact));
                (Some(trace.logits_off(exact)), scores, None)
            }
            Err(error) => (None, None, Some(error.to_string())),
        };
        let mut difference = Difference {
            way: way.name,
            ok: false,
            logits,
            scores,
            bound,
            error,
        };
        difference.ok = difference.largest().is_some_and(|off| off <= bound);
        difference
    }

    /// The larger of both.
    pub fn largest(&self) -> Option<f32> {
        [self.logits, self.scores]
            .into_iter()
            .flatten()
            .reduce(f32::max)
    }
}

/// Tests one device.
pub struct Doctor {
    /// The device's name for itself.
    pub device: String,
    pub ways: Vec<Way>,
    threads: Option<usize>,
    opened: Opened,
}

impl Doctor {
    /// Opens the device of `load` and loads a first model.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(load: &LoadOptions) -> Result<Doctor> {
        let opened = Opened::default();
        let case = Case::all()[0];
        let device = case.with_file(|file| Ok(load_on(&opened, file, load, &|_| {})?.device()))?;
        Ok(Doctor {
            ways: Way::all(load, &device),
            device,
            threads: load.threads,
            opened,
        })
    }

    /// Runs a made model in every way.
    ///
    /// # Errors
    /// Where it cannot be written, or the CPU gives nothing to compare with.
    pub fn examine(&self, case: &Case) -> Result<Outcome> {
        case.with_file(|file| {
            let reference = Way::reference(self.threads);
            let exact = Trace::of(crate::model::load(file, &reference, &|_| {})?)?;
            let begun = Instant::now();
            let ways = self.ways.iter().map(|way| {
                let trace = load_on(&self.opened, file, &way.load, &|_| {}).and_then(Trace::of);
                Difference::of(way, way.bound(case), trace, &exact)
            });
            let ways: Vec<Difference> = ways.collect();
            Ok(Outcome {
                case: case.name(),
                ok: ways.iter().all(|way| way.ok),
                milliseconds: begun.elapsed().as_secs_f64() * 1000.0,
                ways,
            })
        })
    }
}

impl Case {
    /// Does something with the model's file, which is gone afterwards.
    fn with_file<T>(&self, act: impl FnOnce(&Arc<GgufFile>) -> Result<T>) -> Result<T> {
        let folder = tempfile::tempdir().map_err(candle_core::Error::from)?;
        let path = folder.path().join("made.gguf");
        write_tiny_gguf(&path, &self.spec())?;
        act(&Arc::new(GgufFile::open(&path)?))
    }
}
