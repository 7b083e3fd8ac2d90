//! What the driver and cuBLAS say, as errors that name the call.

use candle_core::cuda_backend::cudarc::cublas::result::CublasError;
use candle_core::cuda_backend::cudarc::driver::result::DriverError;
use candle_core::{Error, Result};

/// A result of the driver or of cuBLAS, for which the call can be named.
pub trait Named<T> {
    /// # Errors
    /// What it was told, with the call's name.
    fn named(self, call: &str) -> Result<T>;
}

impl<T> Named<T> for std::result::Result<T, DriverError> {
    fn named(self, call: &str) -> Result<T> {
        self.map_err(|error| {
            let code = error.0;
            // The driver's text may be missing: an error that is newer than the driver.
            let text = error
                .error_string()
                .map(|text| text.to_string_lossy().into_owned());
            let text = text.unwrap_or_else(|_| "no explanation".into());
            Error::Msg(format!(
                "the GPU's driver fails in {call}: {text} ({code:?})"
            ))
        })
    }
}

impl<T> Named<T> for std::result::Result<T, CublasError> {
    fn named(self, call: &str) -> Result<T> {
        self.map_err(|error| Error::Msg(format!("cuBLAS fails in {call}: {:?}", error.0)))
    }
}
