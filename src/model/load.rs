//! From a model file to a network on a device.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use half::f16;

use super::gpu::{Executor, covers};
use super::{
    decoder::Decoder,
    description::Description,
    error::{ModelError, Result},
    gguf::GgufFile,
    host::Host,
    network::Network,
    portable::Portable,
};
use crate::device::open_cuda;
use crate::gpu::driver::Driver;
use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};

/// Where and how a model runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadOptions {
    pub device: DeviceKind,
    /// Threads of the CPU backend; `None` = one per physical core the process may use.
    pub threads: Option<usize>,
    /// Element type of the cache; `None` = what suits the device and precision.
    pub kv_dtype: Option<DType>,
    /// Weights dequantised to f32, f32 cache: decisions equal the reference.
    pub exact: bool,
    pub path: ComputePath,
}

/// Which of the ways of computing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputePath {
    /// The device's own kernels where they cover the model.
    #[default]
    Kernels,
    /// Plain tensor operations, which every device has.
    Portable,
    /// The GPU's kernels on an emulated device, with threads in an order that follows from this.
    Emulated(u64),
}

impl ComputePath {
    /// On the CPU.
    pub const ALL: [ComputePath; 3] = [
        ComputePath::Kernels,
        ComputePath::Portable,
        ComputePath::Emulated(1),
    ];
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            device: DeviceKind::Auto,
            threads: None,
            kv_dtype: None,
            exact: false,
            path: ComputePath::Kernels,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The best that this build and machine have.
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

impl DeviceKind {
    fn open(self) -> Result<Device> {
        let needs = |device: &str, feature: &str| ModelError::Device {
            device: device.into(),
            reason: format!("this build has no support for it (cargo build --features {feature})"),
        };
        let failed = |device: &str, error: candle_core::Error| ModelError::Device {
            device: device.into(),
            reason: error.to_string().lines().next().unwrap_or_default().into(),
        };
        match self {
            DeviceKind::Cpu => Ok(Device::Cpu),
            DeviceKind::Cuda(_) if !candle_core::utils::cuda_is_available() => {
                Err(needs("cuda", "cuda"))
            }
            DeviceKind::Cuda(n) => open_cuda(n).map_err(|e| failed("cuda", e)),
            DeviceKind::Metal if !candle_core::utils::metal_is_available() => {
                Err(needs("metal", "metal"))
            }
            DeviceKind::Metal => Device::new_metal(0).map_err(|e| failed("metal", e)),
            DeviceKind::Auto => {
                if candle_core::utils::cuda_is_available()
                    && let Ok(device) = open_cuda(0)
                {
                    return Ok(device);
                }
                if candle_core::utils::metal_is_available()
                    && let Ok(device) = Device::new_metal(0)
                {
                    return Ok(device);
                }
                Ok(Device::Cpu)
            }
        }
    }
}

/// Loads the network of an open file; `progress` is told the share that is done, 0–1.
///
/// # Errors
/// See [`ModelError`]; each says what to do next.
pub fn load(
    file: &Arc<GgufFile>,
    options: &LoadOptions,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Arc<dyn Network>> {
    load_on(&Opened::default(), file, options, progress)
}

/// A GPU that is opened for the first model and serves those after it too: opening takes longer than to load
/// a small one. One model computes at a time.
#[derive(Default)]
pub struct Opened(OnceLock<Arc<Gpu>>);

impl Opened {
    fn gpu(&self, options: &LoadOptions) -> Result<Option<Arc<Gpu>>> {
        if let Some(gpu) = self.0.get() {
            return Ok(Some(gpu.clone()));
        }
        let gpu = driver(options)?.map(Gpu::new);
        Ok(gpu.map(|gpu| self.0.get_or_init(|| gpu).clone()))
    }
}

/// The same for several models on one device.
///
/// # Errors
/// As [`load`].
pub fn load_on(
    opened: &Opened,
    file: &Arc<GgufFile>,
    options: &LoadOptions,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Arc<dyn Network>> {
    let network = load_any(opened, file, options, progress)?;
    // No half of another model's weights.
    file.check_unchanged()?;
    Ok(network)
}

fn load_any(
    opened: &Opened,
    file: &Arc<GgufFile>,
    options: &LoadOptions,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Arc<dyn Network>> {
    // Before any device is touched: a file that cannot run should say so at once.
    let description = Description::from_gguf(file)?;
    let dtype = options.kv_dtype.unwrap_or(match options.exact {
        true => DType::F32,
        false => DType::F16,
    });
    if let Some(network) = on_gpu(opened, file, options, dtype, &description, progress)? {
        return Ok(network);
    }
    let device = options.device.open()?;
    if !device.is_cpu() || options.path != ComputePath::Kernels {
        let rows = activations(&device, options.exact, dtype, &description);
        let portable = Portable::new(device, options.exact, dtype, rows);
        return Ok(Arc::new(Decoder::load(portable, file, progress)?));
    }
    let threads = options.threads.unwrap_or_else(default_threads);
    match dtype {
        DType::F16 => {
            let host = Host::<f16>::new(threads, options.exact);
            Ok(Arc::new(Decoder::load(host, file, progress)?))
        }
        DType::F32 => {
            let host = Host::<f32>::new(threads, options.exact);
            Ok(Arc::new(Decoder::load(host, file, progress)?))
        }
        other => Err(ModelError::KvDtype(other.as_str().into())),
    }
}

/// The network run by the GPU's kernels, where there is a GPU that has them and a model that they cover.
fn on_gpu(
    opened: &Opened,
    file: &Arc<GgufFile>,
    options: &LoadOptions,
    cache: DType,
    description: &Description,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Option<Arc<dyn Network>>> {
    let element = match cache {
        DType::F32 => Element::F32,
        DType::F16 => Element::F16,
        DType::BF16 => Element::BF16,
        _ => return Ok(None),
    };
    if options.path == ComputePath::Portable {
        return Ok(None);
    }
    if let Some(why) = covers(description) {
        tracing::info!("the GPU's kernels do not run this model: {why}");
        return Ok(None);
    }
    let Some(gpu) = opened.gpu(options)? else {
        return Ok(None);
    };
    let half = description.family.half_activations;
    let executor = Executor::new(gpu, element, options.exact, half);
    Ok(Some(Arc::new(Decoder::load(executor, file, progress)?)))
}

/// What runs the GPU's kernels; `None` where nothing is to.
fn driver(options: &LoadOptions) -> Result<Option<Box<dyn Driver>>> {
    let failed = |device: &str, error: candle_core::Error| ModelError::Device {
        device: device.into(),
        reason: error.to_string().lines().next().unwrap_or_default().into(),
    };
    if let ComputePath::Emulated(seed) = options.path {
        let device = Emulated::new(seed).map_err(|e| failed("the emulated device", e))?;
        return Ok(Some(Box::new(device)));
    }
    #[cfg(feature = "cuda")]
    {
        use crate::gpu::cuda::Cuda;
        let ordinal = match options.device {
            DeviceKind::Cuda(n) => n,
            DeviceKind::Auto => 0,
            DeviceKind::Cpu | DeviceKind::Metal => return Ok(None),
        };
        match Cuda::open(ordinal) {
            Ok(driver) => return Ok(Some(Box::new(driver))),
            // Another device will do.
            Err(why) if options.device == DeviceKind::Auto => {
                tracing::warn!("the GPU's kernels are not used: {why}");
            }
            Err(error) => return Err(failed("cuda", error)),
        }
    }
    #[cfg(feature = "metal")]
    if matches!(options.device, DeviceKind::Auto | DeviceKind::Metal) {
        match crate::gpu::metal::Metal::open(0) {
            Ok(driver) => return Ok(Some(Box::new(driver))),
            // Tensor operations run on older ones too.
            Err(why) => tracing::warn!("the GPU's kernels are not used: {why}"),
        }
    }
    Ok(None)
}

/// Type of the portable path's activations. On CUDA, those of f16 caches are f16, which saves the
/// host two launches per layer: low-bit products round them to 8 bits anyway. Not where a family's
/// activations are known to leave its range.
fn activations(device: &Device, exact: bool, cache: DType, d: &Description) -> DType {
    match (device.is_cuda(), exact, cache, d.family.half_activations) {
        (true, false, DType::F16, true) => DType::F16,
        _ => DType::F32,
    }
}

/// One thread per core that the process may use, but not more than memory bandwidth feeds.
pub fn default_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, |n| n.get())
        .min(16)
}
