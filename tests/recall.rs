//! Recall on the default model: questions in turn select what one prompt would.

mod common;

use std::sync::Arc;

use cachat::archive::Archive;
use cachat::engine::event::{CachePicture, Event, Message, Role, Sampling};
use cachat::engine::session::{Eviction, Session, Watcher};
use cachat::model::gguf::GgufFile;
use cachat::model::{DeviceKind, LoadOptions};
use cachat::policy::{Budget, Params, Preset};

/// Nobody looks.
struct Nobody;

impl Watcher for Nobody {
    fn stopped(&self) -> bool {
        false
    }

    fn event(&mut self, event: Event) {
        assert!(!matches!(event, Event::Notice(_)), "{event:?}");
    }

    fn picture(&mut self, _: CachePicture) {}
}

fn kept(session: &Session) -> Vec<Vec<Vec<u32>>> {
    let layers = session.layers();
    let heads = |l| (0..layers.lens(l).len()).map(move |h| layers.positions(l, h).to_vec());
    (0..layers.count()).map(|l| heads(l).collect()).collect()
}

fn said(role: Role, content: &str) -> Message {
    let content = content.to_owned();
    Message { role, content }
}

#[test]
fn the_fifth_question_keeps_what_one_prompt_keeps() {
    let Some(path) = common::load::real_model() else {
        return;
    };
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact: true,
        ..LoadOptions::default()
    };
    let file = Arc::new(GgufFile::open(&path).unwrap());
    let network = cachat::model::load(&file, &options, &|_| {}).unwrap();
    let model = || common::load::around(network.clone(), &file);
    let sentence = |i: usize| {
        let (a, b) = (["tenant", "owner", "court", "bank"][i % 4], 100 + 37 * i);
        format!("Clause {i}: the {a} pays {b} euros by the end of the month. ")
    };
    let document: String = (0..24).map(sentence).collect();
    let questions = [
        format!("{document}\n\nWhat does the tenant pay in clause 4?"),
        "And the court in clause 10?".into(),
        "Who pays the most?".into(),
        "When is it due?".into(),
        "What does the bank pay in clause 3?".to_owned(),
    ];
    let one = Sampling {
        temperature: 0.0,
        repeat_penalty: 1.0,
        max_tokens: 3,
        ..Sampling::default()
    };
    for preset in [Preset::ADA_SNAPKV, Preset::POOLED_BLEND] {
        let eviction = Eviction {
            preset,
            params: Params::default(),
            budget: Budget::Tokens(96),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut turns = Session::new(model(), eviction, None).unwrap();
        let identity = turns.model().network.identity();
        let archive = Archive::on_disk(folder.path(), identity, 1 << 30).unwrap();
        turns.set_archive(Some(Arc::new(archive))).unwrap();
        let mut messages = Vec::new();
        let mut read = Vec::new();
        for question in &questions {
            // The answers are given, so that they are read like text.
            turns.restart(None, Some(messages.clone())).unwrap();
            let stats = turns.ask(question, &one, &mut Nobody).unwrap();
            read.push(stats.prompt_tokens);
            messages.push(said(Role::User, question));
            messages.push(said(Role::Assistant, "It is as clause 4 says."));
        }
        assert!(
            read[0] > 500 && read[1..].iter().all(|&n| n < 64),
            "{read:?}"
        );
        messages.truncate(8);
        let mut whole = Session::new(model(), eviction, None).unwrap();
        whole.restart(None, Some(messages)).unwrap();
        whole.ask(&questions[4], &one, &mut Nobody).unwrap();
        assert_eq!(turns.messages(), whole.messages(), "{preset}");
        assert_eq!(kept(&turns), kept(&whole), "{preset}");
    }
}
