//! How much of the cache a policy may keep: `1024`, `25%` or `64MiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the cache may hold, as a person states it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Entries per KV head of the layers that grow, the observation window included (`B` in the paper).
    Tokens(usize),
    /// Share of the prompt, over 0 and up to 1.
    Share(f64),
    /// Bytes of the whole cache.
    Bytes(u64),
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::Tokens(1024)
    }
}

/// Why a budget could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a budget: {reason} (examples: 1024, 25%, 64MiB)")]
pub struct BudgetError {
    pub given: String,
    pub reason: &'static str,
}

/// Units of a size, longest suffix first so that `MiB` is not read as `B`.
const UNITS: [(&str, f64); 8] = [
    ("kib", 1024.0),
    ("mib", 1024.0 * 1024.0),
    ("gib", 1024.0 * 1024.0 * 1024.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("b", 1.0),
    ("tokens", 0.0),
];

impl Budget {
    /// Entries per KV head, for a prompt of `prompt` tokens, an entry in every head of the layers
    /// that grow taking `token` bytes together, and what does not grow `fixed`. May be below what a
    /// policy needs: see [`smallest`].
    pub fn entries_per_head(self, prompt: usize, token: usize, fixed: usize) -> usize {
        match self {
            Budget::Tokens(n) => n,
            Budget::Share(share) => (share * prompt as f64).round() as usize,
            Budget::Bytes(bytes) => {
                let growing = bytes.saturating_sub(fixed as u64);
                usize::try_from(growing / token.max(1) as u64).unwrap_or(usize::MAX)
            }
        }
    }
}

/// The smallest legal budget for an observation window, in entries per KV head.
pub fn smallest(window: usize) -> usize {
    window.saturating_add(1)
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let error = |reason| BudgetError {
            given: text.to_string(),
            reason,
        };
        let plain = text.trim().replace(['_', ','], "");
        let lower = plain.to_ascii_lowercase();
        if let Some(number) = lower.strip_suffix('%') {
            let percent: f64 = number
                .trim()
                .parse()
                .map_err(|_| error("the share is not a number"))?;
            if !(percent > 0.0 && percent <= 100.0) {
                return Err(error("a share is over 0% and at most 100%"));
            }
            return Ok(Budget::Share(percent / 100.0));
        }
        for (suffix, factor) in UNITS {
            let Some(number) = lower.strip_suffix(suffix) else {
                continue;
            };
            if factor == 0.0 {
                return Budget::from_str(number).map_err(|e| error(e.reason));
            }
            let size: f64 = number
                .trim()
                .parse()
                .map_err(|_| error("the size is not a number"))?;
            let bytes = size * factor;
            if !(bytes >= 1.0 && bytes < u64::MAX as f64) {
                return Err(error("the size is out of range"));
            }
            return Ok(Budget::Bytes(bytes.round() as u64));
        }
        match lower.parse::<usize>() {
            Ok(0) => Err(error("it must be over 0")),
            Ok(n) => Ok(Budget::Tokens(n)),
            Err(_) => Err(error("it is no number of entries, share or size")),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Budget::Tokens(n) => write!(f, "{n}"),
            // Three decimals are exact for any share a person types; float noise is not shown.
            Budget::Share(share) => write!(f, "{}%", (share * 1e5).round() / 1e3),
            Budget::Bytes(bytes) => {
                for (unit, size) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
                    if bytes >= size && bytes.is_multiple_of(size) {
                        return write!(f, "{}{unit}", bytes / size);
                    }
                }
                write!(f, "{bytes}B")
            }
        }
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Budget::Tokens(n) => serializer.serialize_u64(*n as u64),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a budget: 1024, \"25%\" or \"64MiB\"")]
        enum Raw {
            Entries(i64),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Entries(n) => n.to_string(),
            Raw::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_shares_and_sizes() {
        let cases = [
            ("1024", Budget::Tokens(1024)),
            ("1,024", Budget::Tokens(1024)),
            ("25%", Budget::Share(0.25)),
            ("12.5 %", Budget::Share(0.125)),
            ("64MiB", Budget::Bytes(64 << 20)),
            ("1.5 gib", Budget::Bytes(3 << 29)),
            ("64kB", Budget::Bytes(64_000)),
            ("2MB", Budget::Bytes(2_000_000)),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Budget>(), Ok(want), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for text in [
            "", "0", "-3", "0%", "101%", "NaN%", "x", "MiB", "-1MiB", "infGB",
        ] {
            let error = text.parse::<Budget>().unwrap_err().to_string();
            assert!(error.contains("64MiB"), "{text}: {error}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["1024", "25%", "12.5%", "64MiB", "3GiB", "1000B", "0.1%"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn becomes_entries_per_head() {
        // 30 layers × 3 heads, 64 dims × 2 tensors × 2 bytes.
        let token = 90 * 256;
        let of = |budget: Budget, fixed| budget.entries_per_head(4000, token, fixed);
        assert_eq!(of(Budget::Share(0.25), 0), 1000);
        let bytes = Budget::Bytes(token as u64 * 1024);
        assert_eq!(of(bytes, 0), 1024);
        // Beside sliding windows that take half of it.
        assert_eq!(of(bytes, token * 512), 512);
        assert_eq!(of(bytes, token * 2048), 0);
    }
}
