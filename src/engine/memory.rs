//! The process's memory, as the operating system tells it.

/// Resident bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProcessMemory {
    pub resident: u64,
    /// Of these, files that are mapped: the system takes them back when it needs memory.
    pub mapped: u64,
}

impl ProcessMemory {
    /// Its own memory.
    pub fn anonymous(&self) -> u64 {
        self.resident.saturating_sub(self.mapped)
    }

    /// As it is now; where the system does not tell what is mapped, nothing is.
    pub fn now() -> ProcessMemory {
        told().unwrap_or_else(|| ProcessMemory {
            resident: memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64),
            mapped: 0,
        })
    }
}

/// Gives the system what a model is loaded from and not kept: what its vocabulary was built from is a quarter of what
/// that takes.
pub fn settle() {
    crate::heap::give_back();
}

/// Both from one reading: what is mapped comes and goes between two.
#[cfg(target_os = "linux")]
fn told() -> Option<ProcessMemory> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(ProcessMemory {
        resident: line("VmRSS:")?,
        mapped: line("RssFile:").unwrap_or(0) + line("RssShmem:").unwrap_or(0),
    })
}

#[cfg(not(target_os = "linux"))]
fn told() -> Option<ProcessMemory> {
    None
}
