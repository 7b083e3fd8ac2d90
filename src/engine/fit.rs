//! Whether a model has room: what it takes under a policy, against what is free.

use super::evict::Evictor;
use super::eviction::Eviction;
use super::free::Free;
use crate::human::bytes;
use crate::model::footprint::{Footprint, Need, Way};
use crate::model::{CacheBytes, Description, gguf::GgufFile};
use crate::policy::Budget;

/// More than this share of what is free is tight: other programs want some, too.
const TIGHT: f64 = 0.85;
/// A conversation has at least so many tokens.
pub const LEAST: usize = 1024;

/// How a model fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Fits,
    Tight,
    No,
    /// The system does not tell what is free.
    Unknown,
}

impl Verdict {
    pub fn of(needed: u64, free: Option<Free>) -> Verdict {
        match free {
            None => Verdict::Unknown,
            Some(free) if needed > free.bytes => Verdict::No,
            Some(free) if needed as f64 > TIGHT * free.bytes as f64 => Verdict::Tight,
            Some(_) => Verdict::Fits,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Verdict::Fits => "fits",
            Verdict::Tight => "tight",
            Verdict::No => "no",
            Verdict::Unknown => "",
        }
    }
}

/// A model under a policy.
#[derive(Clone, Debug)]
pub struct Fit {
    footprint: Footprint,
    eviction: Eviction,
    bytes: CacheBytes,
}

impl Fit {
    pub fn new(file: &GgufFile, d: &Description, way: Way, eviction: Eviction) -> Fit {
        Fit {
            footprint: Footprint::of(file, d, way),
            eviction,
            bytes: d.cache_bytes(way.element),
        }
    }

    /// The same for a model that runs: only what a text takes.
    pub fn running(d: &Description, way: Way, evictor: &Evictor) -> Fit {
        let Evictor {
            preset,
            params,
            budget,
        } = *evictor;
        let eviction = Eviction {
            preset,
            params,
            budget: Budget::Tokens(budget),
        };
        Fit {
            footprint: Footprint::running(d, way),
            eviction,
            bytes: d.cache_bytes(way.element),
        }
    }

    /// The most entries of a head while a text of `tokens` is read and answered.
    fn bound(&self, tokens: usize) -> Option<usize> {
        bound(self.eviction, self.bytes, tokens)
    }

    /// Positions that the model was trained for.
    pub fn context(&self) -> usize {
        self.footprint.context
    }

    /// What a text of `tokens` takes with everything.
    pub fn need(&self, tokens: usize) -> Need {
        self.footprint.need(tokens, self.bound(tokens))
    }

    /// The same model under another policy.
    pub fn under(&self, eviction: Eviction) -> Fit {
        Fit {
            eviction,
            ..self.clone()
        }
    }

    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// The longest text, at most the model's context; `None` where not even a short one fits.
    pub fn largest(&self, free: Free) -> Option<usize> {
        // The bound may be a share of the text.
        let (mut low, mut high) = (0, self.context() / 64 + 1);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match self.need(middle * 64).total() <= free.bytes {
                true => low = middle,
                false => high = middle,
            }
        }
        (low > 0).then_some(low * 64)
    }

    /// The largest budget, in entries per head, with which a text of `tokens` fits.
    pub fn largest_budget(&self, tokens: usize, free: Free) -> Option<usize> {
        let fits = |budget: usize| {
            let bound = Some(budget.saturating_add(self.eviction.params.slack));
            self.footprint.need(tokens, bound).total() <= free.bytes
        };
        let least = crate::policy::budget::smallest(self.eviction.params.window);
        if !fits(least) {
            return None;
        }
        let (mut low, mut high) = (least, tokens.max(least) + 1);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match fits(middle) {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// Refuses a text of `tokens` that `what` has no memory for.
    ///
    /// # Errors
    /// What it takes, what there is, and what would fit.
    pub fn refuse(&self, what: &str, tokens: usize, free: Option<Free>) -> Result<(), String> {
        let need = self.need(tokens);
        let Some(free) = free.filter(|free| need.total() > free.bytes) else {
            return Ok(());
        };
        Err(format!(
            "{what} takes about {} for a text of {tokens} tokens ({}), and {} {}; {}",
            bytes(need.total()),
            parts(need),
            bytes(free.bytes),
            free.of.words(),
            self.helps(tokens, free)
        ))
    }

    fn helps(&self, tokens: usize, free: Free) -> String {
        let budget = self.largest_budget(tokens, free);
        let budget = budget.map(|budget| format!("a budget of {budget} entries per head"));
        let context = self
            .largest(free)
            .map(|most| format!("a text of {most} tokens"));
        match [budget, context]
            .into_iter()
            .flatten()
            .reduce(|a, b| format!("{a} or {b}"))
        {
            Some(what) => format!("{what} would fit"),
            None => "no budget is small enough: use a smaller model or end other programs".into(),
        }
    }

    /// Refuses a model with which not even a short conversation is possible.
    ///
    /// # Errors
    /// As [`Fit::refuse`].
    pub fn refuse_model(&self, name: &str, free: Option<Free>) -> Result<(), String> {
        self.refuse(name, LEAST.min(self.context()), free)
    }
}

/// The most entries of a head while a text of `tokens` is read and answered, in a cache that takes `bytes`.
pub fn bound(eviction: Eviction, bytes: CacheBytes, tokens: usize) -> Option<usize> {
    let evictor = eviction.evictor(bytes, tokens);
    let slack = evictor.params.slack;
    let budget = evictor.bound_per_head();
    budget.map(|budget| budget.saturating_add(slack))
}

/// What the total is made of.
pub fn parts(need: Need) -> String {
    let Need {
        weights,
        cache,
        prefill,
    } = need;
    let text = format!("cache {}, reading {}", bytes(cache), bytes(prefill));
    match weights {
        0 => text,
        weights => format!("model {}, {text}", bytes(weights)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::free::Bound;
    use super::*;
    use crate::model::footprint::Place;
    use crate::policy::{Params, Preset};
    use crate::testing::{TinySpec, write_tiny_gguf};

    fn fit(preset: Preset) -> Fit {
        let file = tempfile::NamedTempFile::new().unwrap();
        let spec = TinySpec {
            context: 65_536,
            layers: 8,
            ..TinySpec::llama()
        };
        write_tiny_gguf(file.path(), &spec).unwrap();
        let file = GgufFile::open(file.path()).unwrap();
        let d = Description::from_gguf(&file).unwrap();
        let eviction = Eviction {
            preset,
            params: Params::default(),
            budget: Budget::Tokens(1024),
        };
        let way = Way {
            place: Place::Host,
            exact: false,
            element: 2,
        };
        Fit::new(&file, &d, way, eviction)
    }

    fn free(bytes: u64) -> Free {
        Free {
            bytes,
            of: Bound::Memory,
        }
    }

    #[test]
    fn what_cannot_run_is_refused_with_what_would() {
        let full = fit(Preset::FULL);
        let need = full.need(60_000).total();
        assert_eq!(full.refuse("tiny", 60_000, Some(free(need))), Ok(()));
        assert_eq!(full.refuse("tiny", 60_000, None), Ok(()));
        let why = full
            .refuse("tiny", 60_000, Some(free(need - 1)))
            .unwrap_err();
        for part in [
            "tiny takes about ",
            " MiB of memory are free",
            "a budget of ",
            "a text of 59968 tokens would fit",
        ] {
            assert!(why.contains(part), "{part}: {why}");
        }
        // What is named does fit.
        let some = free(need - (8 << 20));
        let text = full.largest(some).unwrap();
        assert!(full.need(text).total() <= some.bytes && text > 30_000);
        let budget = full.largest_budget(60_000, some).unwrap();
        let mut bounded = fit(Preset::SNAPKV);
        bounded.eviction.budget = Budget::Tokens(budget);
        assert!(bounded.need(60_000).total() <= some.bytes);
        bounded.eviction.budget = Budget::Tokens(budget + 64);
        assert!(bounded.need(60_000).total() > some.bytes);
        let why = full.refuse_model("tiny", Some(free(1 << 20))).unwrap_err();
        assert!(why.contains("use a smaller model"), "{why}");
    }

    #[test]
    fn a_model_that_takes_nearly_all_is_tight() {
        let of = |bytes| Verdict::of(bytes, Some(free(100)));
        assert_eq!(
            [of(80), of(90), of(101)],
            [Verdict::Fits, Verdict::Tight, Verdict::No]
        );
        assert_eq!(Verdict::of(1, None), Verdict::Unknown);
    }
}
