//! Conversations over small generated models, through the same engine as the app.

#[path = "../common/mod.rs"]
mod common;
mod comparing;
mod going_on;
mod in_force;
mod recall;
mod scripted;
mod templates;
mod thoughts;

use std::sync::Arc;

use cachat::engine::event::{
    CachePicture, CompareEvent, Event, EvictionRound, Message, Role, Sampling, Stop, Trigger,
};
use cachat::engine::session::{Eviction, Model, Session, Watcher};
use cachat::model::thinking::{Effort, Enable, Thinking};
use cachat::model::{ComputePath, DeviceKind, LoadOptions, NoHooks};
use cachat::policy::{Budget, LayerBudget, Params, Preset};
use cachat::testing::{TinySpec, write_tiny_gguf};
use common::load::tiny as model;

const EXACT: LoadOptions = LoadOptions {
    device: DeviceKind::Cpu,
    threads: Some(2),
    kv_dtype: None,
    exact: true,
    path: ComputePath::Kernels,
};

/// As people run it: packed weights, an f16 cache.
const FAST: LoadOptions = LoadOptions {
    exact: false,
    ..EXACT
};

fn eviction(preset: Preset, budget: usize, slack: usize) -> Eviction {
    Eviction {
        preset,
        params: Params {
            window: 8,
            slack,
            ..Params::default()
        },
        budget: Budget::Tokens(budget),
    }
}

fn session(preset: Preset, budget: usize, slack: usize) -> Session {
    let model = model(&TinySpec::llama(), &EXACT);
    Session::new(model, eviction(preset, budget, slack), None).unwrap()
}

fn greedy(max_tokens: usize) -> Sampling {
    Sampling {
        temperature: 0.0,
        repeat_penalty: 1.0,
        max_tokens,
        ..Sampling::default()
    }
}

/// Collects what happens; stops after `patience` progress steps of a prefill, or when `tokens`
/// were decoded.
#[derive(Default)]
struct Seen {
    text: String,
    rounds: Vec<EvictionRound>,
    notices: Vec<String>,
    steps: usize,
    patience: Option<usize>,
    decoded: usize,
    tokens: Option<usize>,
    most_entries: usize,
    pictures: Vec<CachePicture>,
}

impl Watcher for Seen {
    fn stopped(&self) -> bool {
        self.patience.is_some_and(|p| self.steps >= p)
            || self.tokens.is_some_and(|n| self.decoded >= n)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Text { piece, .. } => self.text.push_str(&piece),
            Event::Eviction(round) => self.rounds.push(*round),
            Event::Notice(notice) => self.notices.push(notice),
            Event::Prefill { .. } | Event::Compare(CompareEvent::Prefill { .. }) => self.steps += 1,
            Event::Decoded { .. } => self.decoded += 1,
            _ => {}
        }
    }

    fn picture(&mut self, picture: CachePicture) {
        if picture.filled_layers.is_none() {
            let entries = picture.lens.iter().flatten().map(|&n| n as usize).sum();
            self.most_entries = self.most_entries.max(entries);
        }
        self.pictures.push(picture);
    }
}

#[test]
fn twelve_turns_pass_the_budget_many_times_and_the_cache_stays_within_its_bound() {
    let (budget, slack) = (24, 6);
    let mut session = session(Preset::ADA_SNAPKV, budget, slack);
    let heads = session.model().network.description().all_kv_heads();
    let mut seen = Seen::default();
    for turn in 0..12 {
        let question = format!("turn {turn}");
        session.ask(&question, &greedy(12), &mut seen).unwrap();
        let picture = session.picture();
        let entries: usize = picture.lens.iter().flatten().map(|&n| n as usize).sum();
        // The safeguard's rounding may leave one entry a head over.
        assert!(
            entries <= heads * (budget + slack + 1),
            "{entries} entries in turn {turn}"
        );
    }
    let position = session.picture().position;
    assert!(position > 5 * budget, "only {position} tokens were had");
    for trigger in [Trigger::Prefill, Trigger::Decode] {
        assert!(
            seen.rounds.iter().any(|r| r.trigger == trigger),
            "no round by {trigger:?}"
        );
    }
    assert!(
        seen.rounds
            .iter()
            .all(|r| r.after_entries < r.before_entries)
    );
    assert!(
        seen.rounds
            .iter()
            .all(|r| (0.0..=1.0).contains(&r.retained_mass))
    );
}

#[test]
fn pictures_show_the_caches_own_sums_and_the_policys_bound() {
    for preset in Preset::ALL {
        let mut session = session(preset, 24, 6);
        let d = session.model().network.description().clone();
        let mut seen = Seen::default();
        for text in ["first of all ".repeat(8), "and then ".repeat(20)] {
            session.ask(&text, &greedy(30), &mut seen).unwrap();
        }
        let after_eviction = seen
            .pictures
            .iter()
            .filter(|p| p.filled_layers.is_none() && !p.holders.is_empty())
            .count();
        assert!(after_eviction >= 4, "{preset}: {after_eviction} pictures");
        for picture in &seen.pictures {
            let entries: usize = picture.lens.iter().flatten().map(|&n| n as usize).sum();
            let entry = 2 * d.head_dim() * 4;
            assert_eq!(picture.used_bytes, (entries * entry) as u64, "{preset}");
            assert!(picture.used_bytes <= picture.allocated_bytes);
            assert!(
                picture.allocated_bytes <= picture.peak_bytes || picture.filled_layers.is_none()
            );
            match preset.policy().layers {
                LayerBudget::Unbounded => assert_eq!(picture.bound_entries, None),
                LayerBudget::Pyramid => assert!(picture.bound_entries.is_some()),
                LayerBudget::Flat => {
                    assert_eq!(picture.bound_entries, Some(d.all_kv_heads() * 24));
                }
            }
            if !picture.holders.is_empty() {
                let held: usize = picture.holders.iter().map(|&n| usize::from(n)).sum();
                assert_eq!((held, picture.holders.len()), (entries, picture.position));
            }
        }
        let last = seen.pictures.last().unwrap();
        assert!(last.peak_bytes >= last.allocated_bytes, "{preset}");
        assert!(!last.holders.is_empty());
    }
}

#[test]
fn a_cancelled_prefill_changes_nothing() {
    let ask = |session: &mut Session, text: &str| {
        let mut seen = Seen::default();
        session.ask(text, &greedy(10), &mut seen).unwrap();
        seen.text
    };
    let long = "a long question that is given up ".repeat(6);
    let mut plain = session(Preset::ADA_SNAPKV, 24, 6);
    let mut cancelled = session(Preset::ADA_SNAPKV, 24, 6);
    assert_eq!(ask(&mut plain, "first"), ask(&mut cancelled, "first"));
    let before = cancelled.picture();
    for _ in 0..2 {
        let mut impatient = Seen {
            patience: Some(1),
            ..Seen::default()
        };
        let stats = cancelled.ask(&long, &greedy(10), &mut impatient).unwrap();
        assert_eq!((stats.stop, stats.generated_tokens), (Stop::Interrupted, 0));
    }
    let after = cancelled.picture();
    assert_eq!(
        (after.lens, after.used_bytes),
        (before.lens, before.used_bytes)
    );
    assert_eq!(ask(&mut plain, "second"), ask(&mut cancelled, "second"));
}

/// Not one block of a prefill and not one token follow a stop, wherever it comes.
#[test]
fn no_block_follows_a_stop() {
    let mut session = session(Preset::ADA_SNAPKV, 24, 6);
    let long = "a long question that is given up ".repeat(40);
    for patience in [1, 2] {
        let mut seen = Seen {
            patience: Some(patience),
            ..Seen::default()
        };
        session.ask(&long, &greedy(10), &mut seen).unwrap();
        assert_eq!((seen.steps, seen.decoded), (patience, 0));
    }
    let mut seen = Seen {
        tokens: Some(4),
        ..Seen::default()
    };
    session.ask("short", &greedy(10), &mut seen).unwrap();
    assert_eq!(seen.decoded, 4);
}

#[test]
fn with_the_full_cache_later_turns_equal_one_long_prefill() {
    let model = model(&TinySpec::qwen2(), &EXACT);
    let network = &model.network;
    let tokens: Vec<u32> = (0..60).map(|i| (i * 37 + 5) % 250).collect();
    let mut whole = network.clone().sequence(8).unwrap();
    let expected = whole.prefill(&tokens, &mut NoHooks).unwrap().unwrap();
    let mut parts = network.clone().sequence(8).unwrap();
    parts.prefill(&tokens[..41], &mut NoHooks).unwrap();
    parts.prefill(&tokens[41..59], &mut NoHooks).unwrap();
    let last = parts.decode(tokens[59], &|| false).unwrap().unwrap();
    close(&expected, &last, 2e-4);
    for layer in 0..whole.count() {
        assert_eq!(whole.lens(layer), parts.lens(layer));
    }
}

#[test]
fn all_ways_of_computing_agree_and_evict_the_same() {
    for spec in [TinySpec::llama(), TinySpec::qwen2()] {
        let tokens: Vec<u32> = (0..90).map(|i| (i * i * 7 + 3) % 250).collect();
        let mut outcomes = Vec::new();
        for path in ComputePath::ALL {
            let options = LoadOptions { path, ..EXACT };
            let model = model(&spec, &options);
            let session = Session::new(model, eviction(Preset::ADA_SNAPKV, 32, 4), None).unwrap();
            let evictor = session.evictor(tokens.len()).unwrap();
            let network = &session.model().network;
            let found = cachat::engine::inspect::inspect(network, &evictor, &tokens, 6).unwrap();
            outcomes.push(found);
        }
        for other in &outcomes[1..] {
            let (a, b) = (&outcomes[0], other);
            for (a, b) in a.layers.iter().zip(&b.layers) {
                assert_eq!(a.kept, b.kept, "{}", spec.architecture);
                assert!((a.l1_loss - b.l1_loss).abs() < 1e-3 * (1.0 + a.l1_loss));
            }
            assert_eq!(a.full.greedy, b.full.greedy);
            let kl = [a, b].map(|found| found.evicted.kl_mean.unwrap());
            assert!((kl[0] - kl[1]).abs() < 1e-3);
        }
    }
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_figures() {
    let mut session = session(Preset::FULL, 24, 6);
    let context = session.model().network.description().context;
    let text = "x y ".repeat(context);
    let error = session
        .ask(&text, &greedy(4), &mut Seen::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&context.to_string()) && error.contains("more than"),
        "{error}"
    );
    assert!(session.messages().is_empty());
}

#[test]
fn a_budget_at_the_window_names_the_smallest_legal_one() {
    let mut session = session(Preset::ADA_SNAPKV, 8, 6);
    let error = session
        .ask("hello", &greedy(4), &mut Seen::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("smallest legal budget is 9"), "{error}");
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    let scale = a.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "logit {i}: {a} and {b}");
    }
}

#[test]
fn a_paste_is_tokenised_once_however_often_it_is_read() {
    let mut session = session(Preset::ADA_SNAPKV, 64, 8);
    let lines = (0..60).map(|i| format!("line {i} of the text says {}\n", i * i));
    let paste: String = lines.collect();
    let tokenised = |session: &Session| session.model().tokenizer.tokenised();
    // The input counts it, the turn asks it, the next turns write it again.
    session.model().tokenizer.encode(&paste, false).unwrap();
    let counted = tokenised(&session);
    assert_eq!(counted, paste.len() as u64);
    for turn in 0..3 {
        let text = match turn {
            0 => format!("[notes]\n{paste}\nWhat does it say?"),
            _ => "and then?".to_owned(),
        };
        session
            .ask(&text, &greedy(4), &mut Seen::default())
            .unwrap();
    }
    let more = tokenised(&session) - counted;
    assert!(
        more < paste.len() as u64 / 2,
        "{more} bytes more of {counted}"
    );
}
