//! The models that can be had: those on this machine, whoever keeps them, and those with a name that
//! can be fetched; each with what it takes and whether that fits.

use std::path::{Path, PathBuf};

use super::fit::{Fit, Verdict, bound};
use super::free::{self, Free};
use super::session::Eviction;
use super::throughput;
use crate::dirs::Dirs;
use crate::model::footprint::{Need, Way};
use crate::model::gguf::GgufFile;
use crate::model::source::known::{DEFAULT, KNOWN, Known};
use crate::model::source::local;
use crate::model::source::stores::{Origin, Places};
use crate::model::{CacheBytes, Description};

/// What models take is told for a text of so many tokens, or of their context where that is shorter.
pub const TEXT: usize = 8192;

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What `--model` takes.
    pub name: String,
    /// Who keeps it; `None` = it can be fetched.
    pub origin: Option<Origin>,
    pub path: Option<PathBuf>,
    /// Of its file.
    pub bytes: u64,
    pub architecture: String,
    pub context: usize,
    /// What it takes for a text of [`TEXT`] tokens at the budget.
    pub need: Option<Need>,
    pub verdict: Verdict,
    /// Tokens per second of an answer, about.
    pub speed: Option<f64>,
    /// Why it cannot be run.
    pub trouble: Option<String>,
    /// The row of [`KNOWN`] that it is.
    pub known: Option<&'static Known>,
}

/// Everything there is, and what is wrong with a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    pub offers: Vec<Offer>,
    pub notes: Vec<String>,
}

/// How models are going to run.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub way: Way,
    /// Which accelerator, where it is one.
    pub ordinal: usize,
    pub eviction: Eviction,
}

impl Catalogue {
    /// Looks at the disk, and for some milliseconds at how fast the machine is.
    pub fn read(dirs: &Dirs, terms: Terms) -> Catalogue {
        let shelf = Places::of(dirs).list();
        let free = free::of(terms.way, terms.ordinal);
        let rate = throughput::bytes_per_second();
        let mut offers: Vec<Offer> = Vec::new();
        for found in shelf.found {
            let known = KNOWN.iter().find(|known| known.name == found.name);
            let mut offer = here(&found.path, terms, free, rate);
            (offer.name, offer.origin) = (found.name, Some(found.origin));
            (offer.bytes, offer.known) = (found.bytes, known);
            offers.push(offer);
        }
        for known in KNOWN.iter().filter(|known| known.runs()) {
            let path = local::known_file(known, dirs);
            // Another program may have it under a name of its own.
            match offers.iter_mut().find(|o| path.is_some() && o.path == path) {
                Some(offer) => offer.known = Some(known),
                None => offers.push(fetchable(known, terms, free, rate)),
            }
        }
        Catalogue {
            offers,
            notes: shelf.notes,
        }
    }

    /// The most capable of the known models that this machine has room for, where that is a better
    /// one than the default.
    pub fn better(&self) -> Option<&Offer> {
        let known = self.offers.iter().filter(|offer| offer.known.is_some());
        let fit = known.filter(|o| o.verdict == Verdict::Fits && o.speed.is_none_or(|s| s >= 5.0));
        let best = fit.max_by_key(|offer| offer.bytes);
        best.filter(|offer| offer.bytes > 2 * u64::from(DEFAULT.megabytes) * 1_000_000)
    }
}

/// A file on this machine.
fn here(path: &Path, terms: Terms, free: Option<Free>, rate: Option<f64>) -> Offer {
    let mut offer = Offer {
        name: String::new(),
        origin: None,
        path: Some(path.to_owned()),
        bytes: 0,
        architecture: String::new(),
        context: 0,
        need: None,
        verdict: Verdict::Unknown,
        speed: None,
        trouble: None,
        known: None,
    };
    let opened = GgufFile::open(path).map_err(|error| error.to_string());
    let described = opened.and_then(|file| {
        offer.architecture = file.architecture().unwrap_or_default().to_owned();
        let d = Description::from_gguf(&file).map_err(|error| error.to_string())?;
        Ok((file, d))
    });
    match described {
        Ok((file, d)) => {
            let fit = Fit::new(&file, &d, terms.way, terms.eviction);
            let need = fit.need(TEXT.min(d.context));
            offer.context = d.context;
            offer.verdict = Verdict::of(need.total(), free);
            offer.need = Some(need);
            offer.speed = rate.map(|rate| rate / fit.footprint().active.max(1) as f64);
        }
        Err(why) => {
            let line = why.lines().next().unwrap_or_default();
            offer.trouble = Some(line.chars().take(200).collect());
        }
    }
    offer
}

/// A model that is not here.
fn fetchable(known: &'static Known, terms: Terms, free: Option<Free>, rate: Option<f64>) -> Offer {
    let bytes = u64::from(known.megabytes) * 1_000_000;
    let (context, token_bytes) = (known.context as usize, known.token_bytes as usize);
    let tokens = TEXT.min(context);
    let token_bytes = token_bytes * terms.way.element / 2;
    // What does not grow, and how many layers do, its file tells.
    let cache = CacheBytes {
        token: token_bytes,
        ..CacheBytes::default()
    };
    let bound = bound(terms.eviction, cache, tokens);
    let need = Need::guess(bytes, token_bytes, tokens, bound);
    Offer {
        name: known.name.to_owned(),
        origin: None,
        path: None,
        bytes,
        architecture: known.architecture.to_owned(),
        context,
        verdict: Verdict::of(need.total(), free),
        need: Some(need),
        speed: rate.map(|rate| rate / (bytes as f64 * f64::from(known.active))),
        trouble: None,
        known: Some(known),
    }
}
