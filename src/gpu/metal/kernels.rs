//! Our kernels, compiled by Metal when the device is opened, and made ready as they are needed.

use std::collections::HashMap;

use candle_core::{Error, Result};
use objc2::{rc::Retained, runtime::ProtocolObject};
use objc2_foundation::NSString;
use objc2_metal::{
    MTLCompileOptions, MTLComputePipelineState, MTLDevice, MTLLanguageVersion, MTLLibrary,
};

use super::device::Device;
use super::errors::failed;
use crate::gpu::driver::{Kernel, Launch, Variant};
use crate::gpu::sources;

pub type Pipeline = ProtocolObject<dyn MTLComputePipelineState>;

pub struct Kernels {
    device: Device,
    library: Retained<ProtocolObject<dyn MTLLibrary>>,
    made: HashMap<(Kernel, Variant), Retained<Pipeline>>,
}

impl Kernels {
    pub fn compile(device: &Device) -> Result<Self> {
        let options = MTLCompileOptions::new();
        // Scores of −∞ are compared and subtracted: not with the fast mathematics that knows none. What took its place
        // is there from macOS 15 on only.
        #[allow(deprecated)]
        options.setFastMathEnabled(false);
        options.setLanguageVersion(MTLLanguageVersion::Version3_0);
        let text = NSString::from_str(&sources::metal());
        let library = device.newLibraryWithSource_options_error(&text, Some(&options));
        Ok(Kernels {
            device: device.clone(),
            library: library.map_err(|why| failed("newLibraryWithSource", Some(&why)))?,
            made: HashMap::new(),
        })
    }

    /// The kernel of a launch, if the device can run it with as many threads and as much shared memory.
    pub fn pipeline(&mut self, launch: &Launch) -> Result<&Pipeline> {
        let key = (launch.kernel, launch.variant);
        if !self.made.contains_key(&key) {
            let made = self.make(&launch.symbol())?;
            self.made.insert(key, made);
        }
        let pipeline = &self.made[&key];
        let threads = pipeline.maxTotalThreadsPerThreadgroup();
        let shared = pipeline.staticThreadgroupMemoryLength() + launch.shared as usize;
        let most = self.device.maxThreadgroupMemoryLength();
        if launch.threads as usize > threads || shared > most {
            return Err(Error::Msg(format!(
                "the GPU runs {} with {threads} threads and {most} shared bytes at most, not with {} and {shared}",
                launch.symbol(),
                launch.threads
            )));
        }
        Ok(pipeline)
    }

    fn make(&self, symbol: &str) -> Result<Retained<Pipeline>> {
        let found = self
            .library
            .newFunctionWithName(&NSString::from_str(symbol));
        let function = found.ok_or_else(|| Error::Msg(format!("there is no kernel {symbol}")))?;
        let made = self
            .device
            .newComputePipelineStateWithFunction_error(&function);
        let made = made.map_err(|why| failed(&format!("making {symbol} ready"), Some(&why)))?;
        match made.threadExecutionWidth() {
            32 => Ok(made),
            // Sums over 32 threads would be sums over others.
            width => Err(Error::Msg(format!(
                "the GPU runs {symbol} with {width} threads side by side, and the kernels need 32"
            ))),
        }
    }
}
