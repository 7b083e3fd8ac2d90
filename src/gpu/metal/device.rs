//! The GPU as Metal has it.

use objc2::{rc::Retained, runtime::ProtocolObject};
use objc2_metal::MTLDevice;

/// Any thread may use it.
pub type Device = Retained<ProtocolObject<dyn MTLDevice>>;
