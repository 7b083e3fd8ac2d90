//! Conversations with and without drafts.

use std::sync::Arc;
use std::time::Duration;

use cachat::archive::Archive;
use cachat::engine::drafting::Draft;
use cachat::engine::event::{
    CachePicture, Drafts, Event, EvictionRound, Sampling, Stop, TurnStats,
};
use cachat::engine::session::{Eviction, Model, Session, Watcher};
use cachat::model::ComputePath;
use cachat::model::gguf::GgufFile;
use cachat::model::template::ChatTemplate;
use cachat::model::tokenizer::Tokenizer;
use cachat::policy::{Budget, Params, Preset};
use candle_core::quantized::GgmlDType;

use super::{Made, file, network};

/// In each of three sets of the plain model, and in each other kind of model.
const PROMPTS: usize = 24;
const OF_OTHERS: usize = 8;

/// What is said in an answer and happens on its way; stops where it is told to.
#[derive(Default)]
struct Heard {
    text: String,
    rounds: Vec<EvictionRound>,
    decoded: Vec<(usize, usize)>,
    told: Option<Drafts>,
    stop_at: Option<usize>,
}

impl Watcher for Heard {
    fn stopped(&self) -> bool {
        self.stop_at.is_some_and(|n| self.decoded.len() >= n)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Text { piece, .. } => self.text.push_str(&piece),
            Event::Eviction(round) => self.rounds.push(EvictionRound {
                milliseconds: 0.0,
                ..*round
            }),
            Event::Decoded {
                generated,
                position,
                ..
            } => self.decoded.push((generated, position)),
            Event::Drafted { drafts, .. } => self.told = Some(drafts),
            _ => {}
        }
    }

    /// Only of what stays.
    fn picture(&mut self, picture: CachePicture) {
        if picture.filled_layers.is_none() && picture.bound_entries.is_none() {
            let grows = |l: usize| picture.windows.get(l).is_none_or(Option::is_none);
            let layers = picture.lens.iter().enumerate().filter(|(l, _)| grows(*l));
            let mut lens = layers.flat_map(|(_, lens)| lens);
            assert!(lens.all(|&len| len as usize == picture.position));
        }
    }
}

fn session(file: &Arc<GgufFile>, draft: Draft, preset: Preset, exact: bool) -> Session {
    let tokenizer = Tokenizer::from_gguf(file).unwrap();
    let model = Model {
        network: network(file, exact, ComputePath::Kernels),
        template: ChatTemplate::from_gguf(file, &tokenizer).unwrap(),
        sampling: Default::default(),
        tokenizer,
    };
    let eviction = Eviction {
        preset,
        params: Params {
            window: 8,
            slack: 10,
            ..Params::default()
        },
        budget: Budget::Tokens(60),
    };
    let mut session = Session::new(model, eviction, None).unwrap();
    session.set_draft(draft);
    session
}

/// Entries of every head, and their bytes.
fn left(session: &Session) -> (Vec<Vec<u32>>, u64, u64, u64) {
    let layers = session.layers();
    let heads = |l| (0..layers.lens(l).len()).map(move |h| layers.positions(l, h).to_vec());
    let picture = session.picture();
    (
        (0..layers.count()).flat_map(heads).collect(),
        picture.used_bytes,
        picture.allocated_bytes,
        picture.peak_bytes,
    )
}

fn figures(stats: &TurnStats) -> (Stop, usize, usize, usize, usize) {
    (
        stats.stop,
        stats.prompt_tokens,
        stats.reused_tokens,
        stats.recalled_entries,
        stats.generated_tokens,
    )
}

fn prompt(i: usize) -> String {
    let word = ["her", "the user", "in a", "on", "at the"][i % 5];
    format!(
        "{word} {i} says: {}",
        format!("{word} there {i}, ").repeat(1 + i % 4)
    )
}

fn sampled(i: usize) -> Sampling {
    Sampling {
        temperature: [0.0, 0.3, 1.0, 0.0][i % 4],
        repeat_penalty: [1.0, 1.0, 1.1, 1.15][i % 4],
        min_p: [0.0, 0.05][i % 2],
        seed: i as u64,
        max_tokens: 40 + i,
        ..Sampling::default()
    }
}

/// Two turns of as many conversations, each with and without drafts.
fn same(what: &str, made: Made, preset: Preset, exact: bool, archived: bool) {
    let prompts = if made == Made::Plain {
        PROMPTS
    } else {
        OF_OTHERS
    };
    let file = file(made);
    let mut plain = session(&file, Draft::Off, preset, exact);
    let mut all = Drafts::default();
    for draft in [Draft::Tokens(7), Draft::Auto] {
        let mut drafting = session(&file, draft, preset, exact);
        if archived {
            for session in [&mut plain, &mut drafting] {
                let identity = session.model().network.identity();
                let archive = Arc::new(Archive::in_memory(identity, 1 << 30));
                session.set_archive(Some(archive)).unwrap();
            }
        }
        for i in 0..prompts {
            let sampling = sampled(i);
            for session in [&mut plain, &mut drafting] {
                session.restart(None, Some(Vec::new())).unwrap();
            }
            for text in [prompt(i), prompt(i + 1)] {
                let what = format!("{what}, {draft}, prompt {i}");
                let (mut heard, mut wanted) = (Heard::default(), Heard::default());
                let found = drafting.ask(&text, &sampling, &mut heard).unwrap();
                let stats = plain.ask(&text, &sampling, &mut wanted).unwrap();
                for session in [&plain, &drafting] {
                    let archive = session.archive().into_iter();
                    archive.for_each(|a| a.settle(Duration::from_secs(60)));
                }
                assert_eq!(heard.text, wanted.text, "{what}");
                assert_eq!(figures(&found), figures(&stats), "{what}");
                assert_eq!(heard.rounds, wanted.rounds, "{what}");
                assert_eq!(heard.decoded, wanted.decoded, "{what}");
                assert_eq!(left(&drafting), left(&plain), "{what}");
                assert_eq!(
                    drafting.archived().tokens,
                    plain.archived().tokens,
                    "{what}"
                );
                assert_eq!(drafting.token_texts(), plain.token_texts(), "{what}");
                assert_eq!(stats.drafts.drafted, 0);
                let told = heard.told.unwrap_or(found.drafts);
                assert_eq!(told.accepted, found.drafts.accepted);
                all.drafted += found.drafts.drafted;
                all.accepted += found.drafts.accepted;
            }
        }
    }
    assert!(
        all.accepted > 2 * prompts && all.drafted > all.accepted,
        "{what}: {all:?}"
    );
}

#[test]
fn answers_are_the_same_token_for_token() {
    same("all kept", Made::Plain, Preset::FULL, false, false);
    same("evicted", Made::Plain, Preset::ADA_SNAPKV, true, false);
    same("archived", Made::Plain, Preset::ADA_SNAPKV, false, true);
}

#[test]
fn and_in_other_families_and_with_packed_weights() {
    let packed = Made::Packed(GgmlDType::Q4K);
    same("packed", packed, Preset::ADA_SNAPKV, false, true);
    same(
        "windows",
        Made::Family("gemma3"),
        Preset::ADA_SNAPKV,
        false,
        true,
    );
    same(
        "experts",
        Made::Family("qwen3moe"),
        Preset::FULL,
        false,
        false,
    );
}

/// Stopped wherever it may be, and gone on with.
#[test]
fn a_stop_leaves_what_a_stop_without_drafts_leaves() {
    let file = file(Made::Plain);
    let sampling = Sampling {
        max_tokens: 90,
        ..sampled(1)
    };
    for stop_at in 1..40 {
        let both = [Draft::Off, Draft::Tokens(9)].map(|draft| {
            let mut session = session(&file, draft, Preset::ADA_SNAPKV, false);
            let mut heard = Heard {
                stop_at: Some(stop_at),
                ..Heard::default()
            };
            let stats = session.ask(&prompt(3), &sampling, &mut heard).unwrap();
            assert_eq!(
                (stats.stop, stats.generated_tokens),
                (Stop::Interrupted, stop_at)
            );
            let stopped = left(&session);
            heard.stop_at = None;
            session.resume(&sampling, &mut heard).unwrap();
            (stopped, heard.text, heard.rounds, left(&session))
        });
        assert!(both[0] == both[1], "stopped at {stop_at}");
    }
}
