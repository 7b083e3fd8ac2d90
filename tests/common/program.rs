//! The program as tests start it.

use std::process::{Command, Stdio};

/// `cachat` with nothing in its environment that says how it is set, where models come from or
/// through what, and nothing to read.
pub fn cachat() -> Command {
    let mut cachat = Command::new(env!("CARGO_BIN_EXE_cachat"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let proxy = name.to_ascii_lowercase().ends_with("_proxy");
        if name.starts_with("CACHAT_") || name.starts_with("HF_") || proxy {
            cachat.env_remove(&*name);
        }
    }
    cachat.stdin(Stdio::null());
    cachat
}
