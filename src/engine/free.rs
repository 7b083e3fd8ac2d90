//! How much memory there is for a model: the least of what the machine, the group that the process is
//! in, and the process's own limit leave.

use std::path::{Path, PathBuf};

use crate::device;
use crate::model::footprint::{Place, Way};

/// Bytes that can be had, and what bounds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Free {
    pub bytes: u64,
    pub of: Bound,
}

/// What bounds the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The machine's memory.
    Memory,
    /// The limit of the control group, as of a container.
    Group,
    /// The process's limit of its address space.
    AddressSpace,
    /// The accelerator's memory.
    Device,
}

impl Bound {
    /// `2.00 GiB of memory are free`.
    pub fn words(self) -> &'static str {
        match self {
            Bound::Memory => "of memory are free",
            Bound::Group => "are left of what this container may take",
            Bound::AddressSpace => "are left of the address space that this program may take",
            Bound::Device => "of the device's memory are free",
        }
    }
}

/// What there is where models run: in memory, or on the accelerator `ordinal`.
pub fn of(way: Way, ordinal: usize) -> Option<Free> {
    match way.place {
        Place::Host => now(),
        Place::Gpu | Place::Portable => on_device(ordinal),
    }
}

/// What the accelerator `ordinal` has left; `None` where there is none.
pub fn on_device(ordinal: usize) -> Option<Free> {
    device::free(ordinal).map(|bytes| Free {
        bytes,
        of: Bound::Device,
    })
}

/// What memory there is now; `None` where the system does not tell.
pub fn now() -> Option<Free> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    least(&read)
}

fn least(read: &dyn Fn(&Path) -> Option<String>) -> Option<Free> {
    let of = |bytes: Option<u64>, of| bytes.map(|bytes| Free { bytes, of });
    let memory = read(Path::new("/proc/meminfo")).and_then(|told| kib(&told, "MemAvailable:"));
    [
        of(memory, Bound::Memory),
        of(group(read), Bound::Group),
        of(address_space(read), Bound::AddressSpace),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|free| free.bytes)
}

/// `Name:   123 kB`, in bytes.
fn kib(told: &str, name: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What the tightest of the groups around the process leaves (version 2; of version 1, its own).
fn group(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let number = |path: PathBuf| read(&path)?.trim().parse::<u64>().ok();
    let left = |folder: &Path, most: &str, used: &str, cached: &str| {
        let most = number(folder.join(most))?;
        let used = number(folder.join(used))?;
        // Files that were read can be dropped.
        let stat = read(&folder.join("memory.stat")).unwrap_or_default();
        let line = |l: &str| l.strip_prefix(cached)?.trim().parse::<u64>().ok();
        let cached = stat.lines().find_map(line).unwrap_or(0);
        Some(most.saturating_sub(used.saturating_sub(cached)))
    };
    let told = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mut least: Option<u64> = None;
    for line in told.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, kinds, path) = (parts.next(), parts.next()?, parts.next()?);
        let (root, names) = match kinds {
            "" => (
                "/sys/fs/cgroup",
                ("memory.max", "memory.current", "inactive_file "),
            ),
            kinds if kinds.split(',').any(|kind| kind == "memory") => (
                "/sys/fs/cgroup/memory",
                (
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file ",
                ),
            ),
            _ => continue,
        };
        let own = Path::new(root).join(path.trim_start_matches('/'));
        let around = own
            .ancestors()
            .take_while(|folder| folder.starts_with(root));
        for folder in around {
            let (most, used, cached) = names;
            let left = left(folder, most, used, cached);
            least = [least, left].into_iter().flatten().min();
        }
    }
    least
}

/// The rest of what the process may map.
fn address_space(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = read(Path::new("/proc/self/limits"))?;
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = read(Path::new("/proc/self/status"))?;
    Some(most.saturating_sub(kib(&status, "VmSize:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&str, &str)]) -> Option<Free> {
        least(&|path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_least_of_all_bounds_counts() {
        let memory = (
            "/proc/meminfo",
            "MemTotal: 9 kB\nMemAvailable:    4096 kB\n",
        );
        let free = |bytes, of| Some(Free { bytes, of });
        assert_eq!(told(&[memory]), free(4 << 20, Bound::Memory));
        assert_eq!(told(&[("/proc/meminfo", "MemTotal: 9 kB\n")]), None);
        let group = [
            memory,
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "100\n"),
            ("/sys/fs/cgroup/a/memory.max", "3000\n"),
            ("/sys/fs/cgroup/a/memory.current", "2500\n"),
            (
                "/sys/fs/cgroup/a/memory.stat",
                "anon 7\ninactive_file 1000\n",
            ),
        ];
        assert_eq!(told(&group), free(1500, Bound::Group));
        let old = [
            memory,
            ("/proc/self/cgroup", "5:cpu:/x\n3:memory,hugetlb:/y\n"),
            ("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "900"),
            ("/sys/fs/cgroup/memory/y/memory.usage_in_bytes", "1000"),
        ];
        assert_eq!(told(&old), free(0, Bound::Group));
        let limited = [
            memory,
            (
                "/proc/self/limits",
                "Max cpu time x\nMax address space         3145728    unlimited bytes\n",
            ),
            ("/proc/self/status", "VmPeak: 2 kB\nVmSize:    1024 kB\n"),
        ];
        assert_eq!(told(&limited), free(2 << 20, Bound::AddressSpace));
        let unlimited = [
            memory,
            (
                "/proc/self/limits",
                "Max address space         unlimited    unlimited bytes\n",
            ),
            ("/proc/self/status", "VmSize:    1024 kB\n"),
        ];
        assert_eq!(told(&unlimited), free(4 << 20, Bound::Memory));
    }
}
