//! Whether a model has room in memory beside the one in use.

use crate::human;

/// Refuses a model whose weights take more than what is free: the system would end the app, and
/// with it the model that works.
///
/// # Errors
/// What it takes, what is free, and what helps.
pub fn beside(name: &str, bytes: u64) -> Result<(), String> {
    match available() {
        Some(free) => fits(name, bytes, free),
        None => Ok(()),
    }
}

fn fits(name: &str, bytes: u64, free: u64) -> Result<(), String> {
    match bytes > free {
        true => Err(format!(
            "{name} takes about {} beside the model in use, and {} of memory are free; close other \
             programs, or leave and start with --model {name}",
            human::bytes(bytes),
            human::bytes(free)
        )),
        false => Ok(()),
    }
}

/// Bytes that can be had without swapping, where the system tells.
fn available() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    of_meminfo(&told)
}

fn of_meminfo(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        let told = "MemTotal:       8000000 kB\nMemAvailable:    2097152 kB\n";
        let free = of_meminfo(told).unwrap();
        assert_eq!(free, 2 << 30);
        assert_eq!(of_meminfo("MemTotal: 1 kB"), None);
        assert_eq!(fits("small", 1 << 30, free), Ok(()));
        let why = fits("large", 5 << 30, free).unwrap_err();
        for part in [
            "large takes about 5.00 GiB",
            "2.00 GiB of memory",
            "--model large",
        ] {
            assert!(why.contains(part), "{why}");
        }
    }
}
