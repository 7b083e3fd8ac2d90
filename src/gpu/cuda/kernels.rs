//! Our kernels on the device, and their launch.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use std::collections::HashMap;
use std::ffi::{CString, c_void};

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Error, Result};

use super::errors::Named;
use super::stream::Stream;
use crate::gpu::driver::{Kernel, Launch, Variant};

/// The driver reads headers of the image in place.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

/// What `build.rs` has compiled.
static IMAGE: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")));

/// The first virtual architecture (9.0) for which `launched_before` of the kernels is more than nothing.
const WAITS: i32 = 90;

/// Bytes of memory that a group may share if nothing else is asked for.
const SHARED: sys::CUfunction_attribute =
    sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;

pub struct Kernels {
    module: sys::CUmodule,
    found: HashMap<(Kernel, Variant), Function>,
}

// SAFETY: the driver's handles may be used by any thread whose context is theirs.
unsafe impl Send for Kernels {}

/// A function of the module, as long as that is loaded.
#[derive(Clone, Copy)]
pub struct Function {
    handle: sys::CUfunction,
    /// Bytes of dynamic shared memory that a launch may ask for.
    shared: u32,
    /// Whether it waits itself for the launches before it, so that it may begin before their end.
    waits: bool,
}

impl Kernels {
    pub fn load() -> Result<Self> {
        let image: *const u8 = IMAGE.0.as_ptr();
        // SAFETY: the image is whole, and lives as long as the program.
        let loaded = unsafe { result::module::load_data(image.cast()) };
        Ok(Self {
            module: loaded.named("cuModuleLoadData")?,
            found: HashMap::new(),
        })
    }

    /// The function of a launch, which may then share as much memory as the launch says.
    pub fn function(&mut self, launch: &Launch) -> Result<Function> {
        let key = (launch.kernel, launch.variant);
        let mut function = match self.found.get(&key) {
            Some(function) => *function,
            None => self.find(&launch.symbol())?,
        };
        if function.shared < launch.shared {
            let bytes = i32::try_from(launch.shared).map_err(Error::wrap)?;
            // SAFETY: the function's module is loaded.
            let set =
                unsafe { result::function::set_function_attribute(function.handle, SHARED, bytes) };
            set.named(&format!(
                "cuFuncSetAttribute({}, shared {bytes})",
                launch.symbol()
            ))?;
            function.shared = launch.shared;
        }
        self.found.insert(key, function);
        Ok(function)
    }

    fn find(&self, symbol: &str) -> Result<Function> {
        let name = CString::new(symbol).map_err(Error::wrap)?;
        // SAFETY: the module is loaded; so is the function as soon as it has been asked for.
        let handle = unsafe { result::module::get_function(self.module, name) };
        let handle = handle.named(&format!("cuModuleGetFunction({symbol})"))?;
        // SAFETY: as above.
        let shared = unsafe { result::function::get_function_attribute(handle, SHARED) };
        let shared = shared.named("cuFuncGetAttribute")?;
        // What it was compiled from: on a card for which there is only older code, it waits for nothing.
        let from = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_PTX_VERSION;
        // SAFETY: as above.
        let from = unsafe { result::function::get_function_attribute(handle, from) };
        Ok(Function {
            handle,
            shared: shared.try_into().unwrap_or(0),
            waits: from.named("cuFuncGetAttribute")? >= WAITS,
        })
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        // SAFETY: what was enqueued is done, and functions are not used without their module.
        let _ = unsafe { result::module::unload(self.module) };
    }
}

/// Enqueues a launch of its function.
pub fn enqueue(function: Function, launch: &Launch, stream: &Stream) -> Result<()> {
    let [x, y, z] = launch.grid;
    if x == 0 || y == 0 || z == 0 {
        return Ok(());
    }
    // Copied by the driver before it returns, as many bytes as the kernel's parameter has; all of them
    // are there, used or not.
    let mut arguments = launch.arguments;
    let mut parameters: [*mut c_void; 1] = [arguments.as_mut_ptr().cast()];
    let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
    value.programmaticStreamSerializationAllowed = 1;
    let mut early = sys::CUlaunchAttribute {
        id: sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
        pad: [0; 4],
        value,
    };
    let config = sys::CUlaunchConfig {
        gridDimX: x,
        gridDimY: y,
        gridDimZ: z,
        blockDimX: launch.threads,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: launch.shared,
        hStream: stream.raw(),
        attrs: &raw mut early,
        numAttrs: u32::from(function.waits),
    };
    // SAFETY: the function is loaded, its one parameter is not larger than the arguments, and what these
    // point at is the caller's promise. It begins early only where it waits itself.
    let enqueued = unsafe {
        sys::cuLaunchKernelEx(
            &raw const config,
            function.handle,
            parameters.as_mut_ptr(),
            std::ptr::null_mut(),
        )
    };
    let enqueued = enqueued.result();
    if enqueued.is_err() {
        let (grid, threads, shared) = (launch.grid, launch.threads, launch.shared);
        let symbol = launch.symbol();
        return enqueued.named(&format!(
            "cuLaunchKernelEx({symbol}, grid {grid:?}, threads {threads}, shared {shared})"
        ));
    }
    Ok(())
}
