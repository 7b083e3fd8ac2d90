//! Policies for comparisons: scores of the literature and of this project, each with the same budget for
//! every head, with Ada-KV's, and with one total for the heads of all layers. They are taken wherever a
//! policy's name is, and not offered unasked.

use super::allocate::*;
use super::score::*;
use super::{LayerBudget, Policy};

/// A name and a score; a line for people.
macro_rules! scores {
    ($($name:literal = $score:expr, $about:literal;)*) => {
        /// Each score alone, behind `ada-` and behind `pooled-`: name, line and policy.
        pub const RESEARCH: &[(&str, &str, Policy)] = &[$(
            ($name, $about, under(&$score, &Uniform)),
            (concat!("ada-", $name), $about, under(&$score, &Adaptive)),
            (concat!("pooled-", $name), $about, under(&$score, &Pooled)),
        )*];

        /// Names and lines of the scores.
        pub const SCORES: &[(&str, &str)] = &[$(($name, $about)),*];
    };
}

const fn under(score: &'static dyn Score, allocator: &'static dyn Allocator) -> Policy {
    Policy {
        score,
        allocator,
        layers: LayerBudget::Flat,
    }
}

scores! {
    "worst-case" = Defensive,
        "the window's strongest attention, with the head's mean as floor (DefensiveKV, arXiv 2510.13334)";
    "key-norm" = KeyNorm, "keys of a low norm (arXiv 2406.11430)";
    "expected" = Expected,
        "attention that queries like the window's are expected to pay (adapted from arXiv 2510.00636, which takes the whole prompt's)";
    "tova" = Tova,
        "the newest query's attention, each KV head its own (adapted from TOVA, arXiv 2401.06104)";
    "critical" = Critical,
        "attention, then attention times how long the value is behind the output projection (CriticalKV, arXiv 2502.03805)";
    "change" = Change, "attention times the distance of the value from the output";
    "near-blend" = Blend::NEAR, "blend with a reach of 20 behind a peak, which cuts long identifiers off";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_the_scores() {
        let readme = include_str!("../../README.md");
        for (name, about) in SCORES {
            let row = format!("| `{name}` | {about} |");
            assert!(readme.contains(&row), "README.md lacks: {row}");
        }
    }
}
