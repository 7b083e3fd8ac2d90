//! Whether the kernels may run a conversation's model on a GPU on which nobody has seen them run: Metal's. A few of the
//! self-test's models go before it, once in a process; where one is off, the device takes the portable path.

use std::sync::OnceLock;

use candle_core::quantized::GgmlDType;

use super::cases::KERNELS_OF_METAL;
use super::{Case, Doctor, Outcome};
use crate::model::card::card;
use crate::model::{ComputePath, DeviceKind, LoadOptions};

/// Why the kernels are not trusted; nothing before they were tried.
static TRIED: OnceLock<Option<String>> = OnceLock::new();

/// Whether this device's kernels are tried first.
fn unproven(device: DeviceKind) -> bool {
    let metal = candle_core::utils::metal_is_available();
    match device {
        DeviceKind::Metal => metal,
        DeviceKind::Auto => metal && !candle_core::utils::cuda_is_available(),
        DeviceKind::Cpu | DeviceKind::Cuda(_) => false,
    }
}

/// Why models take the portable path on `device`: its kernels were tried, now if not before, and are wrong.
pub fn distrusted(device: DeviceKind) -> Option<&'static str> {
    if !unproven(device) {
        return None;
    }
    let tried = TRIED.get_or_init(|| {
        let load = LoadOptions {
            device: DeviceKind::Metal,
            ..LoadOptions::default()
        };
        let why = tried(&load, KERNELS_OF_METAL, few()).err()?;
        tracing::warn!("{why}");
        Some(why)
    });
    tried.as_deref()
}

/// The way of computing that models take on `device`.
pub fn path(device: DeviceKind) -> ComputePath {
    match distrusted(device) {
        Some(_) => ComputePath::Portable,
        None => ComputePath::Kernels,
    }
}

/// Whether the kernels were tried and are wrong; tries nothing.
pub fn known_wrong() -> bool {
    TRIED.get().is_some_and(Option::is_some)
}

/// Runs the models of `cases` on the device of `load`, which calls itself `name` where the kernels run.
fn tried(load: &LoadOptions, name: &str, cases: impl Iterator<Item = Case>) -> Result<(), String> {
    let unused = |why: &str| format!("the GPU's kernels are not used: {why}");
    let doctor = Doctor::new(load).map_err(|error| unused(&error.to_string()))?;
    if doctor.device != name {
        let why = card(0).and_then(Result::err);
        return Err(unused(why.as_deref().unwrap_or("they do not run there")));
    }
    for case in cases {
        let outcome = doctor.examine(&case);
        let outcome = outcome.map_err(|error| unused(&error.to_string()))?;
        if let Some(wrong) = wrong(&outcome) {
            return Err(unused(&wrong));
        }
    }
    Ok(())
}

/// Plain and packed weights, heads of two sizes, alone and in groups.
fn few() -> impl Iterator<Item = Case> {
    let wanted = |case: &Case| match case.weights {
        GgmlDType::F32 | GgmlDType::Q4K => case.head_dim == 64,
        _ => case.head_dim == 128 && case.group == 4,
    };
    Case::all().into_iter().filter(wanted)
}

/// In which way the device is off, and how far.
fn wrong(outcome: &Outcome) -> Option<String> {
    let way = outcome.ways.iter().find(|way| !way.ok)?;
    let off = match (&way.error, way.largest()) {
        (Some(error), _) => error.clone(),
        (None, Some(off)) => format!("{off:.1e} off, where {:.1e} is rounding", way.bound),
        (None, None) => "nothing to compare".into(),
    };
    Some(format!(
        "a small made model came out wrong ({}, {}: {off}); `cachat doctor` says more",
        outcome.case, way.way
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Difference;
    use super::*;

    #[test]
    fn what_computes_rightly_is_trusted_and_what_has_no_kernels_is_not() {
        assert_eq!(few().count(), 3);
        let emulated = LoadOptions {
            path: ComputePath::Emulated(7),
            ..LoadOptions::default()
        };
        // One of them: all take seconds there.
        assert_eq!(tried(&emulated, "emulated", few().take(1)), Ok(()));
        let cpu = LoadOptions {
            device: DeviceKind::Cpu,
            ..LoadOptions::default()
        };
        let why = tried(&cpu, KERNELS_OF_METAL, few()).unwrap_err();
        assert_eq!(why, "the GPU's kernels are not used: they do not run there");
        // Where nothing is tried, nothing is wrong.
        assert_eq!(path(DeviceKind::Cpu), ComputePath::Kernels);
        assert!(!known_wrong());
    }

    #[test]
    fn a_model_that_is_off_says_how_far() {
        let way = |way, ok, logits| Difference {
            way,
            ok,
            logits: Some(logits),
            scores: None,
            bound: 0.03,
            error: None,
        };
        let outcome = Outcome {
            case: "llama F16".into(),
            ok: false,
            milliseconds: 1.0,
            ways: vec![way("f32", true, 0.0), way("f16", false, 0.5)],
        };
        assert_eq!(
            wrong(&outcome).as_deref(),
            Some(
                "a small made model came out wrong (llama F16, f16: 5.0e-1 off, where 3.0e-2 is rounding); \
                 `cachat doctor` says more"
            )
        );
    }
}
