//! The self-test itself: on the emulated device, and where something is wrong.

use super::*;
use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};
use crate::model::decoder::Decoder;
use crate::model::gpu::Executor;
use crate::model::{ComputePath, DeviceKind};

fn doctor(path: ComputePath) -> Doctor {
    let load = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        path,
        ..LoadOptions::default()
    };
    Doctor::new(&load).unwrap()
}

fn examined(doctor: &Doctor, cases: &[Case]) -> Vec<Outcome> {
    let outcomes = cases.iter().map(|case| doctor.examine(case).unwrap());
    outcomes
        .inspect(|outcome| println!("{outcome:?}"))
        .collect()
}

#[test]
fn the_emulated_device_is_well() {
    let doctor = doctor(ComputePath::Emulated(1));
    assert_eq!(doctor.device, "emulated");
    let cases = Case::all();
    for outcome in examined(&doctor, &[cases[3], cases[13]]) {
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(outcome.ways.len(), 3);
    }
}

/// Also what is recorded is tested: what a GPU does for most tokens.
#[test]
fn tokens_run_as_they_were_recorded() {
    let device = Arc::new(Emulated::new(1).unwrap());
    let gpu = Gpu::new(Box::new(device.clone()));
    let network = Case::all()[0].with_file(|file| {
        let executor = Executor::new(gpu, Element::F16, false, true);
        Decoder::load(executor, file, &|_| {})
    });
    Trace::of(Arc::new(network.unwrap())).unwrap();
    let counts = device.counts();
    assert!(counts.replays > 2 && counts.products > 0, "{counts:?}");
}

#[test]
#[ignore = "takes a minute"]
fn the_emulated_device_is_well_in_every_case() {
    let doctor = doctor(ComputePath::Emulated(1));
    let failed: Vec<Outcome> = examined(&doctor, &Case::all())
        .into_iter()
        .filter(|outcome| !outcome.ok)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_difference_above_the_bound_fails() {
    let mut doctor = doctor(ComputePath::Kernels);
    let plain = Case::all()[0];
    assert!(examined(&doctor, &[plain])[0].ok);
    for way in &mut doctor.ways {
        way.bound = 0.0;
    }
    let outcome = &examined(&doctor, &[plain])[0];
    assert!(!outcome.ok && outcome.ways.iter().all(|way| !way.ok));
    // A way that cannot be gone has failed too.
    doctor.ways.truncate(1);
    doctor.ways[0].load.kv_dtype = Some(candle_core::DType::U8);
    let outcome = &examined(&doctor, &[plain])[0];
    assert!(!outcome.ok && outcome.ways[0].error.is_some());
}

#[test]
fn every_type_of_weights_and_every_shape_of_heads_is_tested_once() {
    let cases = Case::all();
    for (i, case) in cases.iter().enumerate() {
        assert!(!cases[..i].contains(case), "{}", case.name());
        assert!(case.name().len() < 30, "{}", case.name());
    }
    assert_eq!(cases.len(), 13 + 5 * 4 - 1);
}
