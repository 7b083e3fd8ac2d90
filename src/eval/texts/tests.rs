//! Passages on a tiny model, against what they are by hand.

use super::*;
use crate::engine::evict::Evictor;
use crate::engine::inspect::inspect;
use crate::engine::lane::{Begin, Lane, Unread, Voice};
use crate::engine::session::Model;
use crate::eval::tiny::{model, params};
use crate::eval::{Record, Unwatched, Variant};
use crate::model::Logits;
use crate::model::error::Result;
use crate::policy::{Budget, Choice, Needs, Observed, Params, Preset, Round};

fn text(words: usize) -> String {
    let word = |i: usize| format!("The mill number {i} stood by the river {}. ", i * 7 % 13);
    (0..words).map(word).collect()
}

fn texts(model: &Model, named: &[(&str, String)]) -> Texts {
    let named = named
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.clone()));
    Texts::new(&named.collect::<Vec<_>>(), &model.tokenizer).unwrap()
}

fn cut(lengths: &[usize], limit: usize, seed: u64) -> Cut {
    Cut {
        lengths: lengths.to_vec(),
        limit: Some(limit),
        seed,
    }
}

#[test]
fn passages_are_runs_of_the_text_drawn_by_the_seed() {
    let model = model();
    let whole = text(60);
    let texts = texts(&model, &[("a.txt", whole.clone()), ("b.md", text(9))]);
    let ids = model.tokenizer.encode(&whole, false).unwrap();
    let bos = usize::from(model.tokenizer.add_bos());
    let passages = texts.passages(&cut(&[100, 300], usize::MAX, 1)).unwrap();
    let of = |set: &str| -> Vec<Vec<u32>> {
        let own = passages.iter().filter(|p| p.dataset == set);
        own.map(|passage| texts.tokens(passage)).collect()
    };
    assert_eq!(of("a.txt-100").len(), ids.len() / (100 - bos));
    for (i, tokens) in of("a.txt-100").iter().enumerate() {
        assert_eq!(tokens.len(), 100);
        assert_eq!(tokens[bos..], ids[i * (100 - bos)..(i + 1) * (100 - bos)]);
        assert_eq!(tokens.first() == model.tokenizer.bos().as_ref(), bos == 1);
    }
    assert!(of("a.txt-300").iter().all(|tokens| tokens.len() == 300));
    assert!(!of("b.md-100").is_empty());
    let drawn = |seed| texts.passages(&cut(&[50], 3, seed)).unwrap();
    assert_eq!((drawn(1).len(), drawn(1)), (6, drawn(1)));
    assert_ne!(drawn(1), drawn(2));
    let usual = Cut {
        limit: None,
        ..cut(&[20], 0, 1)
    };
    assert_eq!(texts.passages(&usual).unwrap().len(), 2 * PASSAGES);
    let short = texts.passages(&cut(&[100_000], 1, 1)).unwrap_err();
    assert!(short.to_string().starts_with("a.txt has "), "{short}");
    let twice = [
        ("a".to_owned(), "x".to_owned()),
        ("a".to_owned(), "y".to_owned()),
    ];
    let error = Texts::new(&twice, &model.tokenizer).err().unwrap();
    assert!(matches!(error, EvalError::SameName { .. }));
}

const FOLLOW: usize = 41;

fn variants() -> Vec<Variant> {
    let policies = [Preset::ADA_SNAPKV, Preset::POOLED_SNAPKV];
    let budgets = [Budget::Tokens(30), Budget::Share(0.5)];
    Variant::all(&policies, &budgets, params())
}

fn followed(model: &Model, variants: &[Variant]) -> (Vec<u32>, Vec<Record>) {
    let texts = texts(model, &[("a.txt", text(60))]);
    let passages = texts.passages(&cut(&[240], usize::MAX, 1)).unwrap();
    let tokens = texts.tokens(&passages[1]);
    let follower = Follower {
        model,
        variants,
        follow: FOLLOW,
    };
    let records = follower.run(&passages[1], &tokens, &mut Unwatched);
    (tokens, records.unwrap().unwrap())
}

/// One token after the other, without drafts.
struct Slowly<'a> {
    tokens: &'a [u32],
    rows: Vec<Vec<f32>>,
}

impl Voice for Slowly<'_> {
    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        self.rows.push(logits.whole()?);
        Ok(self.tokens.get(self.rows.len()).copied())
    }
}

/// ln p of every token.
fn log_p(row: &[f32]) -> Vec<f64> {
    let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
    row.iter().map(|&x| f64::from(x) - sum.ln()).collect()
}

fn likeliest(row: &[f32]) -> usize {
    let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter().position(|&x| x == best).unwrap()
}

/// The rows behind each of `fed`, from a reading of the context under `evictor` that is its own.
fn slowly(model: &Model, evictor: Evictor, read: &[u32], fed: &[u32]) -> (Lane, Vec<Vec<f32>>) {
    let mut lane = Lane::new(&model.network, evictor).unwrap();
    lane.read(read, &mut Unread).unwrap().unwrap();
    let selected = lane.fork(evictor);
    lane.set_evictor(Evictor::none(evictor.params));
    let mut voice = Slowly {
        tokens: fed,
        rows: Vec::new(),
    };
    lane.decode(Begin::Token(fed[0]), &mut voice).unwrap();
    (selected, voice.rows)
}

struct Looks(Vec<Observed>);

impl Round for Looks {
    fn needs(&self) -> Needs {
        Needs {
            projected: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _: usize, heads: Vec<Observed>) -> Vec<Choice> {
        self.0.extend(heads);
        Vec::new()
    }
}

/// What the last `window` of `tokens`, read at once, look at, by layer and head.
fn looks(model: &Model, tokens: &[u32], window: usize) -> Vec<Observed> {
    let evictor = Evictor::none(Params { window, ..params() });
    let mut lane = Lane::new(&model.network, evictor).unwrap();
    lane.read(tokens, &mut Unread).unwrap().unwrap();
    let mut looks = Looks(Vec::new());
    for layer in 0..lane.layers().count() {
        lane.layers().select(layer, layer, &mut looks).unwrap();
    }
    looks.0
}

#[test]
fn figures_are_those_of_a_reading_of_ones_own_token_by_token() {
    let model = model();
    let all = variants();
    let (tokens, records) = followed(&model, &all);
    assert_eq!(records.len(), all.len());
    let (read, behind) = tokens.split_at(tokens.len() - FOLLOW);
    let fed = &behind[..FOLLOW - 1];
    let (_, full) = slowly(&model, Evictor::none(params()), read, fed);
    let of_last = looks(&model, read, 1);
    let of_following = looks(&model, &tokens[..tokens.len() - 1], FOLLOW - 1);
    for (variant, record) in all.iter().zip(&records) {
        let what = format!("{}@{}", record.policy, record.budget);
        let evictor = variant.evictor(&*model.network, read.len());
        let (lane, own) = slowly(&model, evictor, read, fed);
        let found = record.followed.as_ref().unwrap();
        assert_eq!(
            (found.kl.len(), found.surprise.len()),
            (FOLLOW - 1, FOLLOW - 1)
        );
        let mut differs = Vec::new();
        for (step, (full, own)) in full.iter().zip(&own).enumerate() {
            let (p, q) = (log_p(full), log_p(own));
            let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
            assert!(
                (f64::from(found.kl[step]) - kl).abs() < 1e-3,
                "{what} {step} {kl}"
            );
            let surprise = -q[behind[step + 1] as usize];
            assert!(
                (f64::from(found.surprise[step]) - surprise).abs() < 1e-2,
                "{what} {step}"
            );
            if likeliest(full) != likeliest(own) {
                differs.push(step);
            }
        }
        assert_eq!(found.differs, differs, "{what}");
        // What is gone, looked up position by position.
        let layers = lane.layers();
        let (mut lost, mut retained, mut heads) = (0.0, 0.0, 0);
        let mut bounds = Vec::new();
        for layer in 0..layers.count() {
            let (mut of_layer, mut longest) = (0.0, 0.0f32);
            for head in 0..layers.lens(layer).len() {
                let held = layers.positions(layer, head);
                let gone = |p: &usize| !held.contains(&(*p as u32));
                let sum = |weights: &[f32], positions: &mut dyn Iterator<Item = usize>| {
                    positions.map(|p| f64::from(weights[p])).sum::<f64>()
                };
                let weights = &of_last[heads].scores.mean;
                let of_head = sum(weights, &mut (0..read.len()).filter(gone));
                lost += of_head;
                of_layer += of_head * of_last[heads].group as f64;
                let lengths = of_last[heads].projected.iter().copied();
                longest = lengths.fold(longest, f32::max);
                let weights = &of_following[heads].scores.mean;
                let there = |p: &usize| held.contains(&(*p as u32));
                retained += sum(weights, &mut (0..read.len()).filter(there))
                    / sum(weights, &mut (0..read.len()));
                heads += 1;
            }
            bounds.push(2.0 * f64::from(longest) * of_layer);
        }
        let (lost, retained) = (lost / heads as f64, retained / heads as f64);
        assert!(
            (found.lost - lost).abs() < 1e-4,
            "{what} {} {lost}",
            found.lost
        );
        assert!(
            (found.retained - retained).abs() < 1e-4,
            "{what} {} {retained}",
            found.retained
        );
        // `cachat inspect` measures the layers on the way of a reading.
        let layers = inspect(&model.network, &evictor, read, 0).unwrap().layers;
        let share = layers.iter().map(|layer| layer.l1_loss / layer.l1_full);
        let l1 = share.sum::<f64>() / layers.len() as f64;
        assert!((found.l1 - l1).abs() < 1e-3, "{what} {} {l1}", found.l1);
        let shares = layers.iter().zip(bounds);
        let shares = shares.map(|(layer, bound)| bound / layer.l1_full);
        let bound = shares.sum::<f64>() / layers.len() as f64;
        let off = (found.bound - bound).abs() / bound.max(1e-9);
        assert!(off < 1e-3, "{what} {} {bound}", found.bound);
        // What the paper proves.
        assert!(found.l1 <= found.bound, "{what} {l1} {bound}");
    }
}

#[test]
fn the_full_cache_loses_nothing_and_others_do() {
    let model = model();
    let (tokens, records) = followed(&model, &variants());
    for record in &records {
        let found = record.followed.as_ref().unwrap();
        assert_eq!(record.prompt_tokens + record.answer_tokens, tokens.len());
        assert_eq!((record.mode.as_str(), record.length), ("text", Some(240)));
        assert_eq!(record.score, found.agreement());
        match record.policy.as_str() {
            "full" => {
                assert!(found.kl.iter().all(|&kl| kl == 0.0) && found.differs.is_empty());
                assert_eq!((found.retained, found.l1, found.lost), (1.0, 0.0, 0.0));
                assert_eq!(found.bound, 0.0);
                assert_eq!((record.kl, record.kept_share), (None, 1.0));
                assert_eq!(found.first_divergence(), FOLLOW - 1);
            }
            _ => {
                assert!(record.kl.is_some_and(|kl| kl > 0.0));
                assert!(found.retained < 1.0 && found.l1 > 0.0 && found.lost > 0.0);
                assert!(record.kept_share < 0.7);
            }
        }
    }
    // A line of the file of answers says it all.
    let line = serde_json::to_string(&records[1]).unwrap();
    let read: Record = serde_json::from_str(&line).unwrap();
    // Doubles come back to the last digit or the one before it.
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    let of = |record: &Record| record.followed.clone().unwrap();
    let (found, again) = (of(&records[1]), of(&read));
    assert_eq!(
        (&again.kl, &again.surprise, &again.differs),
        (&found.kl, &found.surprise, &found.differs)
    );
    assert!(close(again.retained, found.retained) && close(again.l1, found.l1));
    assert!(close(again.lost, found.lost) && close(read.kl.unwrap(), records[1].kl.unwrap()));
    assert_eq!(
        (&read.sample, &read.policy),
        (&records[1].sample, &records[1].policy)
    );
}
