//! A lane that is fed some tokens at a time, of which many are wrong, beside one that is fed the same
//! text token by token.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cachat::archive::Archive;
use cachat::engine::drafting::{Drafts, Step};
use cachat::engine::evict::Evictor;
use cachat::engine::lane::{Begin, Evicted, Lane, Unread, Voice};
use cachat::model::error::Result;
use cachat::model::{ComputePath, Layers, Logits, Network};
use cachat::policy::{Choice, Needs, Observed, Params, Preset, Round};
use candle_core::quantized::GgmlDType;

use super::{Made, file, network};

const PROMPT: usize = 90;

/// Tokens: long enough to be archived on the way where that is asked for.
fn answer(archived: bool) -> usize {
    if archived { 640 } else { 120 }
}

fn noise(n: usize, seed: u32) -> impl Iterator<Item = u32> {
    let mut x = seed;
    (0..n).map(move |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        x >> 8
    })
}

/// Says `text`, and drafts it with mistakes.
struct Script<'a> {
    text: &'a [u32],
    said: usize,
    logits: Vec<Vec<f32>>,
    /// How long drafts are and where the first mistake is; without any nothing is drafted.
    dice: Option<Box<dyn Iterator<Item = u32>>>,
    drafts: Drafts,
    evicted: Vec<(usize, Vec<u32>, Vec<f32>)>,
}

impl Voice for Script<'_> {
    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>> {
        assert_eq!(lane.position(), PROMPT + self.said);
        self.logits.push(logits.whole()?);
        let token = self.text.get(self.said).copied();
        self.said += 1;
        Ok(token)
    }

    fn draft(&mut self, lane: &Lane, token: u32) -> Vec<u32> {
        assert_eq!(lane.layers().position() + 1, PROMPT + self.said);
        assert_eq!(token, self.text[self.said - 1]);
        let Some(dice) = &mut self.dice else {
            return Vec::new();
        };
        let (len, right) = (dice.next().unwrap() as usize % 10, dice.next().unwrap());
        let ahead = self.text[self.said..].iter().copied().take(len);
        let right = right as usize % (len + 3);
        let mistaken = |(at, token)| if at < right { token } else { (token + 1) % 250 };
        ahead.enumerate().map(mistaken).collect()
    }

    fn stepped(&mut self, lane: &Lane, step: Step) {
        assert_eq!(lane.layers().position(), lane.tokens().len());
        self.drafts.add(step);
    }

    fn evicted(&mut self, _: &Lane, evicted: Evicted) {
        let layers = evicted.layers.into_iter();
        self.evicted
            .extend(layers.map(|l| (self.said, l.budgets, l.retained)));
    }
}

/// Looks at a layer as a policy does, and chooses nothing.
#[derive(Default)]
struct Look(RefCell<Vec<Vec<Observed>>>);

impl Round for Look {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            values: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _: usize, heads: Vec<Observed>) -> Vec<Choice> {
        self.0.borrow_mut().push(heads);
        Vec::new()
    }

    fn finish(&mut self) -> Vec<Choice> {
        Vec::new()
    }
}

/// Entries, window scores, keys and values of all layers, and their bytes.
fn seen(layers: &dyn Layers) -> (String, usize, usize) {
    let mut look = Look::default();
    for (layer, shape) in layers.description().layers.iter().enumerate() {
        if shape.source().is_none() {
            layers.select(layer, layer, &mut look).unwrap();
        }
    }
    let all = look.0.into_inner();
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let head = |o: &Observed| {
        let scores = (bits(&o.scores.mean), bits(&o.scores.peak));
        (scores, o.positions.clone(), bits(&o.keys), bits(&o.values))
    };
    let all: Vec<Vec<_>> = all
        .iter()
        .map(|heads| heads.iter().map(head).collect())
        .collect();
    let bytes = (layers.used_bytes(), layers.allocated_bytes());
    (format!("{all:?}"), bytes.0, bytes.1)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.insert(name, std::fs::read(path).unwrap());
        }
    }
    found
}

/// Feeds the text; with mistakes where there are dice.
fn run(
    network: &Arc<dyn Network>,
    evictor: Evictor,
    archived: bool,
    dice: Option<u32>,
) -> (Drafts, impl PartialEq + std::fmt::Debug + use<>) {
    let folder = tempfile::tempdir().unwrap();
    let archive = archived.then(|| {
        let archive = Archive::on_disk(folder.path(), network.identity(), 1 << 30);
        Arc::new(archive.unwrap())
    });
    let text: Vec<u32> = noise(PROMPT + answer(archived), 5)
        .map(|x| x % 250)
        .collect();
    let mut lane = Lane::archiving(network, evictor, archive.clone()).unwrap();
    let read = match archived {
        true => lane.recall(&text[..PROMPT], 0, &mut Unread),
        false => lane.read(&text[..PROMPT], &mut Unread),
    };
    let mut script = Script {
        text: &text[PROMPT..],
        said: 0,
        logits: Vec::new(),
        dice: dice.map(|seed| Box::new(noise(1 << 20, seed)) as Box<dyn Iterator<Item = u32>>),
        drafts: Drafts::default(),
        evicted: Vec::new(),
    };
    let first = read.unwrap().unwrap().logits;
    lane.decode(Begin::Logits(first.into()), &mut script)
        .unwrap();
    let left = seen(lane.layers());
    lane.archive_decoded().unwrap();
    if let Some(archive) = &archive {
        archive.settle(Duration::from_secs(60));
    }
    let bits = |x: &Vec<f32>| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let logits: Vec<_> = script.logits.iter().map(bits).collect();
    let recallable = lane.recallable(&text);
    let peak = lane.peak();
    let came = (logits, left, lane.tokens().to_vec(), script.evicted);
    (
        script.drafts,
        (came, recallable, files(folder.path()), peak.held, peak.most),
    )
}

fn evictor(preset: Preset, budget: usize, window: usize) -> Evictor {
    Evictor {
        preset,
        params: Params {
            window,
            slack: 12,
            ..Params::default()
        },
        budget,
    }
}

fn same(what: &str, network: &Arc<dyn Network>, evictor: Evictor, archived: bool) {
    same_with(&[1, 2], what, network, evictor, archived);
}

fn same_with(
    seeds: &[u32],
    what: &str,
    network: &Arc<dyn Network>,
    evictor: Evictor,
    archived: bool,
) {
    let (plain, left) = run(network, evictor, archived, None);
    let answer = answer(archived);
    assert_eq!((plain.steps, plain.drafted), (answer, 0));
    for &seed in seeds {
        let (drafts, found) = run(network, evictor, archived, Some(seed));
        assert_eq!(drafts.steps + drafts.accepted, answer, "{what}");
        assert!(drafts.accepted > answer / 5, "{what}: {drafts:?}");
        assert!(
            drafts.drafted - drafts.accepted > answer / 10,
            "{what}: {drafts:?}"
        );
        assert!(found == left, "{what}, seed {seed}: something is left");
    }
}

#[test]
fn what_stays_is_what_feeding_one_by_one_leaves_in_every_family() {
    for family in cachat::model::family::ALL {
        let name = family.architecture;
        let made = file(Made::Family(name));
        for (exact, archived) in [(false, true), (true, false)] {
            let network = network(&made, exact, ComputePath::Kernels);
            if network.description().state_bytes() > 0 {
                continue;
            }
            let what = format!("{name}, exact {exact}");
            let full = evictor(Preset::FULL, 0, 8);
            same_with(&[1], &what, &network, full, archived);
            let bounded = evictor(Preset::ADA_SNAPKV, 40, 8);
            same_with(&[2], &what, &network, bounded, archived);
        }
    }
}

#[test]
fn what_stays_is_the_same_under_every_policy() {
    let network = network(&file(Made::Plain), false, ComputePath::Kernels);
    for preset in Preset::ALL {
        for (budget, window) in [(24, 8), (70, 32), (2000, 16)] {
            let what = format!("{preset}, budget {budget}");
            same(&what, &network, evictor(preset, budget, window), false);
        }
        same(&preset.to_string(), &network, evictor(preset, 40, 8), true);
    }
}

#[test]
fn what_stays_is_the_same_with_packed_weights() {
    use GgmlDType::*;
    for quant in [Q4_0, Q5_0, Q8_0, Q4K, Q5K, Q6K, F16] {
        let network = network(&file(Made::Packed(quant)), false, ComputePath::Kernels);
        let what = format!("{quant:?}");
        same(&what, &network, evictor(Preset::ADA_SNAPKV, 60, 16), false);
        same(&what, &network, evictor(Preset::FULL, 0, 16), true);
    }
}

/// Layers with a state, and the path of devices, take one token at a time.
#[test]
fn where_nothing_can_be_taken_back_nothing_is_drafted() {
    let (kernels, portable) = (ComputePath::Kernels, ComputePath::Portable);
    for (name, path) in [
        ("lfm2", kernels),
        ("qwen35", kernels),
        ("llama", portable),
        ("llama", ComputePath::Emulated(1)),
    ] {
        let network = network(&file(Made::Family(name)), true, path);
        let bounded = evictor(Preset::ADA_SNAPKV, 40, 8);
        let archived = path == kernels;
        let (plain, left) = run(&network, bounded, archived, None);
        let (drafts, found) = run(&network, bounded, archived, Some(1));
        assert_eq!(drafts.drafted, 0, "{name}");
        assert_eq!(drafts.steps, plain.steps, "{name}");
        assert!(found == left, "{name}");
    }
}
