//! The table of named policies: everything that lists or takes a policy's name reads it here.

use super::allocate::*;
use super::research::{RESEARCH, SCORES};
use super::score::*;
use super::{LayerBudget, Policy};

/// A policy with the name that people know it by.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    name: &'static str,
    about: &'static str,
    policy: Policy,
}

/// The table: a constant and a name for each policy; score, allocator, layer budgets; one line for
/// people.
macro_rules! policies {
    ($($id:ident $name:literal = $score:expr, $allocator:expr, $layers:ident: $about:literal;)*) => {
        impl Preset {
            $(
                #[doc = $about]
                pub const $id: Preset = Preset::new(
                    $name,
                    $about,
                    Policy {
                        score: &$score,
                        allocator: &$allocator,
                        layers: LayerBudget::$layers,
                    },
                );
            )*

            /// Every named policy, in the order that people see.
            pub const ALL: [Preset; [$($name),*].len()] = [$(Preset::$id),*];
        }
    };
}

policies! {
    FULL "full" = Recency, Uniform, Unbounded: "keep everything";
    STREAMING "streaming" = Recency, Uniform, Flat:
        "four sinks and the most recent entries (StreamingLLM)";
    SNAPKV "snapkv" = Window, Uniform, Flat: "window scores, the same budget for every head";
    PYRAMIDKV "pyramidkv" = Window, Uniform, Pyramid: "SnapKV with budgets that shrink with depth";
    ADA_SNAPKV "ada-snapkv" = Window, Adaptive, Flat:
        "Ada-KV: a layer's budget goes where its attention is";
    ADA_PYRAMIDKV "ada-pyramidkv" = Window, Adaptive, Pyramid:
        "Ada-KV heads on PyramidKV's layer budgets";
    ADA_REACH "ada-reach" = Reach::NARROW, Adaptive, Flat:
        "Ada-KV heads on the reach score: the strongest attention and six entries behind it";
    WIDE_REACH "wide-reach" = Reach::WIDE, Uniform, Flat:
        "what surrounds the strongest attention, the same budget for every head";
    ADA_WIDE_REACH "ada-wide-reach" = Reach::WIDE, Adaptive, Flat:
        "Ada-KV heads on what surrounds the strongest attention";
    POOLED_SNAPKV "pooled-snapkv" = Window, Pooled, Flat:
        "the heads of all layers compete for one total";
    POOLED_REACH "pooled-reach" = Reach::NARROW, Pooled, Flat: "the same on the reach score";
    POOLED_WIDE_REACH "pooled-wide-reach" = Reach::WIDE, Pooled, Flat: "the same on the wide reach score";
    BLEND "blend" = Blend::LONG, Uniform, Flat:
        "what surrounds the strongest attention, then window scores; the same budget for every head";
    ADA_BLEND "ada-blend" = Blend::LONG, Adaptive, Flat: "the same with Ada-KV heads";
    POOLED_BLEND "pooled-blend" = Blend::LONG, Pooled, Flat:
        "the same with one total for the heads of all layers";
}

impl Preset {
    /// What a text is worth that nobody chose: beside every comparison, and not offered unasked.
    pub const RANDOM: Preset = Preset::new(
        "random",
        "a random sample of the text, the same in every head",
        Policy {
            score: &Random,
            allocator: &Uniform,
            layers: LayerBudget::Flat,
        },
    );

    /// A policy of one's own; those of the table are [`Preset::ALL`].
    pub const fn new(name: &'static str, about: &'static str, policy: Policy) -> Preset {
        Preset {
            name,
            about,
            policy,
        }
    }

    /// Those of the table, and those for comparisons.
    pub fn every() -> impl Iterator<Item = Preset> {
        let more = RESEARCH.iter();
        let more = more.map(|&(name, about, policy)| Preset::new(name, about, policy));
        Preset::ALL.into_iter().chain([Preset::RANDOM]).chain(more)
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// One line for help texts.
    pub fn describe(self) -> &'static str {
        self.about
    }

    pub fn policy(self) -> Policy {
        self.policy
    }

    /// The policy that gives every head the same and is this one otherwise.
    pub fn uniform(self) -> Preset {
        let Policy { score, layers, .. } = self.policy;
        // Scores and allocators are known by how they are called.
        let of = |p: Policy| format!("{:?} {:?} {:?}", p.score, p.allocator, p.layers);
        let policy = Policy {
            score,
            allocator: &Uniform,
            layers,
        };
        let named = Preset::every().find(|p| of(p.policy) == of(policy));
        let about = "the same score, the same budget for every head";
        named.unwrap_or(Preset::new("uniform", about, policy))
    }
}

/// Names are unique.
impl PartialEq for Preset {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Preset {}

impl Default for Preset {
    fn default() -> Self {
        Preset::POOLED_BLEND
    }
}

/// The name is not a policy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no policy '{0}': use one of {names}, or for comparisons random, {scores}, alone or behind ada- or \
     pooled-",
    names = names(", "), scores = scores()
)]
pub struct UnknownPolicy(pub String);

/// All names in the table's order.
pub fn names(between: &str) -> String {
    let names: Vec<&str> = Preset::ALL.iter().map(|p| p.name).collect();
    names.join(between)
}

fn scores() -> String {
    let names: Vec<&str> = SCORES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl std::str::FromStr for Preset {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let name = name.trim().to_ascii_lowercase();
        let found =
            Preset::every().find(|p| p.name == name || p.name.strip_suffix("kv") == Some(&name));
        found.ok_or(UnknownPolicy(name))
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for (i, preset) in Preset::ALL.iter().enumerate() {
            assert_eq!(preset.name.parse::<Preset>().as_ref(), Ok(preset));
            let twice = Preset::ALL[..i].iter().any(|p| p.name == preset.name);
            assert!(!twice, "{preset} twice");
        }
        assert_eq!("ada-snap".parse::<Preset>(), Ok(Preset::ADA_SNAPKV));
        let error = "h2o".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("ada-pyramidkv, ada-reach"), "{error}");
    }

    #[test]
    fn every_policy_has_one_with_uniform_budgets() {
        assert_eq!(Preset::ADA_SNAPKV.uniform(), Preset::SNAPKV);
        assert_eq!(Preset::ADA_PYRAMIDKV.uniform(), Preset::PYRAMIDKV);
        assert_eq!(Preset::SNAPKV.uniform(), Preset::SNAPKV);
        let reach = Preset::ADA_REACH.uniform();
        assert_eq!(reach.name(), "uniform");
        assert!(format!("{:?}", reach.policy().score).starts_with("Reach"));
    }

    #[test]
    fn every_score_has_three_policies_that_are_found_by_name() {
        assert_eq!(
            Preset::every().count(),
            Preset::ALL.len() + 1 + 3 * SCORES.len()
        );
        let names: std::collections::BTreeSet<_> = Preset::every().map(Preset::name).collect();
        assert_eq!(names.len(), Preset::every().count());
        let pooled: Preset = "pooled-change".parse().unwrap();
        assert_eq!(pooled.uniform().name(), "change");
        let ada: Preset = "ada-wide-reach".parse().unwrap();
        assert!(format!("{:?}", ada.policy()).contains("Adaptive"));
    }

    #[test]
    fn the_readme_says_what_the_table_says() {
        let readme = include_str!("../../README.md");
        for preset in Preset::ALL {
            let mark = match preset == Preset::default() {
                true => " (default)",
                false => "",
            };
            let row = format!("| `{preset}`{mark} | {} |", preset.about);
            assert!(readme.contains(&row), "README.md lacks: {row}");
        }
    }
}
