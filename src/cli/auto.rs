//! `--device auto`: the GPU where the model fits and answers faster than on the CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::running;
use crate::config::{DeviceChoice, Settings};
use crate::dirs::Dirs;
use crate::engine::bench::decode_speed;
use crate::engine::doctor::trust;
use crate::engine::free;
use crate::engine::placing::{Memory, Place, Room, choose};
use crate::model::gguf::GgufFile;
use crate::model::load::default_threads;
use crate::model::{ComputePath, DeviceKind};

/// The accelerator that this build and machine have.
fn accelerator() -> Option<DeviceChoice> {
    let has = |built: bool| built && free::on_device(0).is_some();
    if has(candle_core::utils::cuda_is_available()) {
        return Some(DeviceChoice::Cuda(0));
    }
    has(candle_core::utils::metal_is_available()).then_some(DeviceChoice::Metal)
}

/// Puts what is taken in the place of `auto`, and says what is news of the device.
pub fn settle(settings: &mut Settings, file: &Arc<GgufFile>, dirs: &Dirs) -> Option<String> {
    let taken = take(settings, file, dirs);
    let wrong = trust::distrusted(running::device(settings)).filter(|_| first());
    match (wrong, taken) {
        (Some(wrong), Some(taken)) => Some(format!("{wrong}; {taken}")),
        (wrong, taken) => wrong.map(str::to_owned).or(taken),
    }
}

/// Once in a process.
fn first() -> bool {
    static SAID: AtomicBool = AtomicBool::new(false);
    !SAID.swap(true, Ordering::Relaxed)
}

/// Says why something is taken where that is news: it was measured just now, or the GPU is there and not taken.
fn take(settings: &mut Settings, file: &Arc<GgufFile>, dirs: &Dirs) -> Option<String> {
    if settings.device != DeviceChoice::Auto {
        return None;
    }
    let Some(gpu) = accelerator() else {
        settings.device = DeviceChoice::Cpu;
        return None;
    };
    let on = |place| Settings {
        device: match place {
            Place::Gpu => gpu,
            Place::Cpu => DeviceChoice::Cpu,
        },
        ..settings.clone()
    };
    let room = |place| {
        let settings = on(place);
        let terms = running::terms(&settings);
        let free = free::of(terms.way, terms.ordinal);
        running::fit(&settings, file).map_or(Ok(()), |fit| fit.refuse_model("the model", free))
    };
    let room = Room {
        gpu: room(Place::Gpu),
        cpu: room(Place::Cpu),
    };
    let memory = Memory::of(&dirs.state);
    let key = key(settings, file, gpu);
    let mut known = memory.get(&key);
    let taken = choose(room, &mut known, &mut |place| {
        let network = running::weights(&on(place), file, &|_| {}).map_err(|e| e.to_string())?;
        decode_speed(&network).map_err(|e| e.to_string())
    });
    if let (true, Some(speeds)) = (taken.measured, known)
        && let Err(error) = memory.put(&key, speeds)
    {
        tracing::warn!("the devices' speeds are not remembered: {error}");
    }
    settings.device = on(taken.place).device;
    let name = match taken.place {
        Place::Gpu => "the GPU",
        Place::Cpu => "the CPU",
    };
    let said = format!("--device auto takes {name}: {}", taken.why);
    tracing::info!("{said}");
    (taken.measured || taken.place == Place::Cpu).then_some(said)
}

/// What speeds hang on.
fn key(settings: &Settings, file: &GgufFile, gpu: DeviceChoice) -> String {
    let hash: String = file.fingerprint()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let threads = settings.threads.unwrap_or_else(default_threads);
    let (exact, dtype) = (settings.exact, settings.kv_dtype);
    let version = env!("CARGO_PKG_VERSION");
    // What was measured was one or the other.
    let gpu = match (gpu, trust::path(DeviceKind::Metal)) {
        (DeviceChoice::Metal, ComputePath::Kernels) => "metal kernels".to_owned(),
        _ => gpu.to_string(),
    };
    format!("{hash} {gpu} threads {threads} exact {exact} cache {dtype} version {version}")
}
