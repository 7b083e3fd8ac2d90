//! Conversations over an archive: every turn selects its cache from everything that was said.

use super::*;
use cachat::archive::Archive;

/// In which a session keeps what was said.
#[derive(Clone, Copy, Debug, PartialEq)]
enum In {
    Disk,
    Memory,
}

const LIMIT: u64 = 1 << 30;

fn archive(model: &Model, place: In, folder: &std::path::Path, limit: u64) -> Arc<Archive> {
    let identity = model.network.identity();
    Arc::new(match place {
        In::Disk => Archive::on_disk(folder, identity, limit).unwrap(),
        In::Memory => Archive::in_memory(identity, limit),
    })
}

/// A conversation with an archive in `folder`.
fn archived(
    options: &LoadOptions,
    eviction: Eviction,
    place: In,
    folder: &std::path::Path,
) -> Session {
    within(LIMIT, options, eviction, place, folder)
}

/// The same with a bound for all archives.
fn within(
    limit: u64,
    options: &LoadOptions,
    eviction: Eviction,
    place: In,
    folder: &std::path::Path,
) -> Session {
    let spec = TinySpec {
        layers: 3,
        context: 4096,
        ..TinySpec::llama()
    };
    let model = model(&spec, options);
    let archive = archive(&model, place, folder, limit);
    let mut session = Session::new(model, eviction, None).unwrap();
    session.set_archive(Some(archive)).unwrap();
    session
}

const PORTABLE: LoadOptions = LoadOptions {
    path: ComputePath::Portable,
    ..EXACT
};

const EMULATED: LoadOptions = LoadOptions {
    path: ComputePath::Emulated(1),
    ..EXACT
};

/// A document and five questions.
fn questions() -> Vec<String> {
    let mut first: String = (0..40).map(|i| format!("line {i} of it. ")).collect();
    first.push_str("what is in line 7?");
    let more = [
        "and in line 31?",
        "where is it?",
        "say more",
        "the end, then?",
    ];
    std::iter::once(first)
        .chain(more.map(str::to_owned))
        .collect()
}

/// What a session's cache holds: every position of every head.
fn kept(session: &Session) -> Vec<Vec<Vec<u32>>> {
    let layers = session.layers();
    let heads = |l| (0..layers.lens(l).len()).map(move |h| layers.positions(l, h).to_vec());
    (0..layers.count()).map(|l| heads(l).collect()).collect()
}

fn every_policy() -> [Preset; 6] {
    [
        Preset::SNAPKV,
        Preset::ADA_SNAPKV,
        Preset::ADA_PYRAMIDKV,
        Preset::ADA_REACH,
        Preset::POOLED_SNAPKV,
        Preset::POOLED_BLEND,
    ]
}

/// The paper selects once, for a prompt with its question at the end. After five questions with
/// their answers the cache is what that selection gives for all of it as one prompt.
#[test]
fn the_fifth_question_is_judged_as_if_everything_were_one_prompt() {
    for options in [EXACT, PORTABLE, EMULATED] {
        for preset in every_policy() {
            // Where computing takes long: a policy that cuts layer by layer and one that waits for all.
            let places = match options.path {
                ComputePath::Kernels => &[In::Disk, In::Memory][..],
                _ if preset == Preset::ADA_SNAPKV => &[In::Disk],
                _ if preset == Preset::POOLED_BLEND => &[In::Memory],
                _ => continue,
            };
            for &place in places {
                let folder = tempfile::tempdir().unwrap();
                let eviction = eviction(preset, 40, 6);
                let mut turns = archived(&options, eviction, place, folder.path());
                let mut messages = Vec::new();
                let mut seen = Seen::default();
                let mut last = None;
                for question in questions() {
                    // The answers are given, so that they are read like text.
                    turns.restart(None, Some(messages.clone())).unwrap();
                    let stats = turns.ask(&question, &greedy(1), &mut seen).unwrap();
                    last = Some(stats);
                    let content = question;
                    messages.push(Message {
                        role: Role::User,
                        content,
                    });
                    let content = "it is as it is".to_owned();
                    messages.push(Message {
                        role: Role::Assistant,
                        content,
                    });
                }
                let last = last.unwrap();
                assert!(last.reused_tokens > 500, "{last:?}");
                assert!(last.prompt_tokens < 100, "{last:?}");

                let spec = TinySpec {
                    layers: 3,
                    context: 4096,
                    ..TinySpec::llama()
                };
                let mut whole = Session::new(model(&spec, &options), eviction, None).unwrap();
                messages.truncate(messages.len() - 2);
                whole.restart(None, Some(messages)).unwrap();
                let mut once = Seen::default();
                whole.ask("the end, then?", &greedy(1), &mut once).unwrap();
                assert_eq!(kept(&turns), kept(&whole), "{preset} {place:?}");
                assert_eq!(
                    turns.messages().last(),
                    whole.messages().last(),
                    "the same logits, the same token"
                );
                let (a, b) = (seen.rounds.last().unwrap(), once.rounds.last().unwrap());
                assert!((a.retained_mass - b.retained_mass).abs() < 1e-4);
                assert_eq!(a.trigger, Trigger::Recall);
                assert!(a.recalled_entries > 0);
            }
        }
    }
}

/// Conversations share the template's beginning: what reads a text for the first time is told as that,
/// and what brings it back as that. Turns count on in a conversation that was brought back.
#[test]
fn a_first_reading_is_a_prefill_and_turns_count_on() {
    let folder = tempfile::tempdir().unwrap();
    let tight = eviction(Preset::ADA_SNAPKV, 24, 6);
    let opened = || archived(&EXACT, tight, In::Disk, folder.path());
    let asked = |session: &mut Session, question: &str| {
        let mut seen = Seen::default();
        let stats = session.ask(question, &greedy(1), &mut seen).unwrap();
        let first = seen.rounds.first().cloned().unwrap();
        (stats, first.trigger, first.turn)
    };
    let mut one = opened();
    let long = &questions()[0];
    let (stats, trigger, turn) = asked(&mut one, long);
    assert_eq!(
        (stats.reused_tokens, trigger, turn),
        (0, Trigger::Prefill, 1)
    );
    // Another conversation begins with the same words and goes on with many others.
    let words: Vec<&str> = long.split_whitespace().collect();
    let other = format!(
        "{} {}",
        words[..20].join(" "),
        "something else entirely ".repeat(60)
    );
    let mut two = opened();
    let (stats, trigger, _) = asked(&mut two, &other);
    assert!(stats.reused_tokens > 0, "{stats:?}");
    assert_eq!(trigger, Trigger::Prefill, "{stats:?}");
    // The same text elsewhere comes back, and so does one that was opened again.
    let (stats, trigger, turn) = asked(&mut opened(), long);
    assert!(stats.reused_tokens > stats.prompt_tokens, "{stats:?}");
    assert_eq!((trigger, turn), (Trigger::Recall, 1));
    let mut again = opened();
    again.restart(None, Some(one.messages().to_vec())).unwrap();
    assert_eq!(again.turn(), 1);
    let (_, trigger, turn) = asked(&mut again, "and the end?");
    assert_eq!((trigger, turn), (Trigger::Recall, 2));
}

/// The archive of a conversation with decoded answers is the same in memory and on the disk, and after
/// the program was closed and opened at every turn.
#[test]
fn closing_and_opening_again_is_invisible() {
    let some = &[Preset::ADA_SNAPKV, Preset::POOLED_SNAPKV, Preset::FULL][..];
    for (options, presets, answer) in [
        (EXACT, some, 30),
        (FAST, some, 30),
        (PORTABLE, some, 30),
        (EMULATED, &some[..1], 12),
    ] {
        for &preset in presets {
            let eviction = eviction(preset, 40, 6);
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut open = archived(&options, eviction, In::Disk, one.path());
            let mut said: Vec<Message> = Vec::new();
            for (turn, question) in questions().iter().enumerate() {
                open.ask(question, &greedy(answer), &mut Seen::default())
                    .unwrap();
                let mut again = archived(&options, eviction, In::Disk, two.path());
                again.restart(None, Some(said.clone())).unwrap();
                let stats = again
                    .ask(question, &greedy(answer), &mut Seen::default())
                    .unwrap();
                assert_eq!(again.messages(), open.messages(), "{preset}, turn {turn}");
                assert_eq!(kept(&again), kept(&open), "{preset}, turn {turn}");
                // A random model says bytes that no text says: those are read again.
                assert!(turn == 0 || stats.prompt_tokens < 128, "{stats:?}");
                said = again.messages().to_vec();
            }
        }
    }
}

/// Another policy, or another budget, is in force at once: what it would have kept had it been there
/// from the start.
#[test]
fn a_new_policy_selects_from_everything_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let tight = eviction(Preset::SNAPKV, 24, 6);
    let mut session = archived(&EXACT, tight, In::Disk, folder.path());
    let question = &questions()[0];
    session
        .ask(question, &greedy(1), &mut Seen::default())
        .unwrap();
    for (preset, budget) in [
        (Preset::ADA_SNAPKV, 60),
        (Preset::FULL, 0),
        (Preset::ADA_REACH, 30),
    ] {
        let wanted = eviction(preset, budget, 6);
        session.set_eviction(wanted);
        let mut seen = Seen::default();
        session.reselect(&mut seen).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let mut fresh = archived(&EXACT, wanted, In::Disk, elsewhere.path());
        fresh
            .ask(question, &greedy(1), &mut Seen::default())
            .unwrap();
        assert_eq!(kept(&session), kept(&fresh), "{preset}");
        assert!(preset == Preset::FULL || seen.rounds.len() == 1);
        assert!(
            seen.rounds
                .iter()
                .all(|round| round.trigger == Trigger::Recall)
        );
    }
    // And the conversation goes on from there.
    session
        .ask("so?", &greedy(5), &mut Seen::default())
        .unwrap();
}

/// What was decoded over an evicted cache is read for it, which may take long.
#[test]
fn a_selection_that_is_stopped_is_made_by_the_next_turn() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [mut stopped, mut patient] = [0, 1].map(|at| {
        let tight = eviction(Preset::SNAPKV, 24, 6);
        let mut session = archived(&EXACT, tight, In::Disk, folders[at].path());
        let question = &questions()[0];
        session
            .ask(question, &greedy(40), &mut Seen::default())
            .unwrap();
        session.set_eviction(eviction(Preset::ADA_SNAPKV, 60, 6));
        session
    });
    let before = kept(&stopped);
    let mut hurried = Seen {
        patience: Some(0),
        ..Seen::default()
    };
    stopped.reselect(&mut hurried).unwrap();
    assert_eq!(kept(&stopped), before);
    patient.reselect(&mut Seen::default()).unwrap();
    assert_ne!(kept(&patient), before);
    for session in [&mut stopped, &mut patient] {
        session
            .ask("so?", &greedy(5), &mut Seen::default())
            .unwrap();
    }
    assert_eq!(stopped.messages(), patient.messages());
    assert_eq!(kept(&stopped), kept(&patient));
}

/// The answer that was stopped, and what was asked before it, are there: nothing but the last tokens,
/// which judge, is read again.
#[test]
fn going_back_and_asking_again_reads_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let rule = eviction(Preset::ADA_SNAPKV, 40, 6);
    let mut session = archived(&EXACT, rule, In::Disk, folder.path());
    let mut said: Vec<Message> = Vec::new();
    for question in questions() {
        session.restart(None, Some(said.clone())).unwrap();
        session
            .ask(&question, &greedy(1), &mut Seen::default())
            .unwrap();
        said.push(Message {
            role: Role::User,
            content: question,
        });
        said.push(Message {
            role: Role::Assistant,
            content: "yes, so it is".into(),
        });
    }
    let all = session.position();
    for turns in (0..5).rev() {
        let before: Vec<Message> = said[..2 * turns].to_vec();
        session.restart(None, Some(before)).unwrap();
        let again = session
            .ask(&said[2 * turns].content, &greedy(1), &mut Seen::default())
            .unwrap();
        assert_eq!(again.prompt_tokens, 8, "the window, in turn {turns}");
        // Asked otherwise: from where it differs.
        let before: Vec<Message> = said[..2 * turns].to_vec();
        session.restart(None, Some(before)).unwrap();
        let edited = format!("{}!", said[2 * turns].content);
        let stats = session
            .ask(&edited, &greedy(1), &mut Seen::default())
            .unwrap();
        assert!(stats.prompt_tokens < 64, "{stats:?}");
    }
    // Another conversation about the same text.
    session.restart(None, None).unwrap();
    let other = questions()[0].replace("what is in line 7?", "and what in 22?");
    let stats = session
        .ask(&other, &greedy(1), &mut Seen::default())
        .unwrap();
    assert!(
        stats.reused_tokens > 500 && stats.prompt_tokens < 64,
        "{stats:?} of {all}"
    );
}

#[test]
fn a_stopped_read_leaves_the_conversation_and_the_next_turn_as_they_were() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rule = eviction(Preset::ADA_SNAPKV, 40, 6);
    let mut stopped = archived(&EXACT, rule, In::Disk, one.path());
    let mut plain = archived(&EXACT, rule, In::Disk, two.path());
    for session in [&mut stopped, &mut plain] {
        let question = &questions()[0];
        session
            .ask(question, &greedy(4), &mut Seen::default())
            .unwrap();
    }
    for patience in 0..4 {
        let mut impatient = Seen {
            patience: Some(patience),
            ..Seen::default()
        };
        let (kept_before, said) = (kept(&stopped), stopped.messages().to_vec());
        let long = "a longer question ".repeat(20);
        let stats = stopped.ask(&long, &greedy(4), &mut impatient).unwrap();
        if stats.generated_tokens == 0 && stats.stop == Stop::Interrupted {
            assert_eq!(kept(&stopped), kept_before);
            assert_eq!(stopped.messages(), said);
        }
    }
    for session in [&mut stopped, &mut plain] {
        session
            .ask("and?", &greedy(9), &mut Seen::default())
            .unwrap();
    }
    assert_eq!(stopped.messages(), plain.messages());
    assert_eq!(kept(&stopped), kept(&plain));
}

/// Damage between two turns: one notice, and the turn is as it would have been.
#[test]
fn a_damaged_archive_is_read_again_with_a_word_on_it() {
    let rule = eviction(Preset::ADA_SNAPKV, 40, 6);
    let mut random = cachat::testing::random::Random::new(11);
    for round in 0..12 {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut hurt = archived(&EXACT, rule, In::Disk, one.path());
        let mut sound = archived(&EXACT, rule, In::Disk, two.path());
        for session in [&mut hurt, &mut sound] {
            let question = &questions()[0];
            session
                .ask(question, &greedy(1), &mut Seen::default())
                .unwrap();
        }
        hurt.archived();
        for folder in std::fs::read_dir(one.path()).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let mut bytes = std::fs::read(&path).unwrap();
                match round % 3 {
                    0 => {
                        let at = random.below(bytes.len());
                        bytes[at] ^= 0x10;
                        std::fs::write(&path, bytes).unwrap();
                    }
                    // In place, while it is mapped.
                    1 => {
                        let file = std::fs::File::options().write(true).open(&path).unwrap();
                        file.set_len(random.below(bytes.len()) as u64).unwrap();
                    }
                    _ => std::fs::remove_file(&path).unwrap(),
                }
            }
        }
        let mut notices = Vec::new();
        for session in [&mut hurt, &mut sound] {
            let mut seen = Seen::default();
            session.ask("and then?", &greedy(8), &mut seen).unwrap();
            notices.push(seen.notices.len());
        }
        assert_eq!(notices, [1, 0], "one word, in round {round}");
        assert_eq!(hurt.messages(), sound.messages(), "round {round}");
        assert_eq!(kept(&hurt), kept(&sound), "round {round}");
    }
}

/// What the cache holds whole is not recalled: when its archive is damaged, it is archived once more.
#[test]
fn damage_to_what_the_cache_holds_is_got_over() {
    let rule = eviction(Preset::POOLED_SNAPKV, 240, 6);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut hurt = archived(&EXACT, rule, In::Disk, one.path());
    let mut sound = archived(&EXACT, rule, In::Disk, two.path());
    let short = "line of it. ".repeat(12);
    for session in [&mut hurt, &mut sound] {
        session
            .ask(&short, &greedy(1), &mut Seen::default())
            .unwrap();
        // More than a page, and nothing is evicted yet.
        assert!((65..240).contains(&session.position()));
    }
    hurt.archived();
    for folder in std::fs::read_dir(one.path()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let pages = bytes.len() / 4;
            bytes[pages..].iter_mut().for_each(|byte| *byte ^= 0x10);
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let (mut notices, long) = (Vec::new(), &questions()[0]);
    for session in [&mut hurt, &mut sound] {
        let mut seen = Seen::default();
        session.ask(long, &greedy(8), &mut seen).unwrap();
        notices.push(seen.notices.len());
        assert!(session.archive().is_some(), "{:?}", seen.notices);
    }
    assert_eq!(notices, [1, 0]);
    assert_eq!(hurt.messages(), sound.messages());
    assert_eq!(kept(&hurt), kept(&sound));
}

/// Whatever is done in whatever order: the cache stays within its bound, the archives within theirs, and
/// every turn can be had.
#[test]
fn bounds_hold_over_any_sequence_of_turns() {
    const ROOM: u64 = 1_500_000;
    for seed in 0..6 {
        let mut random = cachat::testing::random::Random::new(100 + seed);
        let folder = tempfile::tempdir().unwrap();
        let place = if seed % 3 == 2 { In::Memory } else { In::Disk };
        let slack = 6;
        let mut rule = eviction(Preset::ADA_SNAPKV, 40, slack);
        let open = |rule| within(ROOM, &EXACT, rule, place, folder.path());
        let mut session = open(rule);
        let heads = session.model().network.description().all_kv_heads();
        for step in 0..40 {
            let mut seen = Seen::default();
            let words = 1 + random.below(40);
            let question: String = (0..words)
                .map(|i| format!("w{} ", (i * 7 + step) % 50))
                .collect();
            match random.below(10) {
                0..4 => {
                    session
                        .ask(&question, &greedy(1 + random.below(40)), &mut seen)
                        .unwrap();
                }
                4 => {
                    seen.patience = Some(random.below(4));
                    session.ask(&question, &greedy(5), &mut seen).unwrap();
                }
                5 => {
                    seen.tokens = Some(1 + random.below(9));
                    session.ask(&question, &greedy(30), &mut seen).unwrap();
                    let _ = session.resume(&greedy(10), &mut Seen::default());
                }
                6 => {
                    let turns = session.messages().len() / 2;
                    let rest = session.messages()[..2 * random.below(turns + 1)].to_vec();
                    session.restart(None, Some(rest)).unwrap();
                }
                7 => {
                    let said = session.messages().to_vec();
                    session = open(rule);
                    session.restart(None, Some(said)).unwrap();
                }
                8 => {
                    let all = every_policy();
                    rule = eviction(all[random.below(all.len())], 20 + random.below(60), slack);
                    session.set_eviction(rule);
                    session.reselect(&mut seen).unwrap();
                }
                _ => {
                    let full = eviction(Preset::FULL, 0, slack);
                    let _ = session.compare(Some(&question), &[full, rule], 4, &mut seen);
                }
            }
            if session.position() > 3000 {
                session.restart(None, None).unwrap();
            }
            let Budget::Tokens(budget) = rule.budget else {
                unreachable!()
            };
            let entries: usize = (0..session.layers().count())
                .map(|l| session.layers().layer_entries(l))
                .sum();
            // Pyramids and safeguards round; a pooled total has the whole cache's slack.
            let most = heads * (budget + slack + 1);
            assert!(
                entries <= most,
                "seed {seed}, step {step}: {entries} of {most}, {rule:?}"
            );
            session.archived();
            let used = match place {
                In::Disk => cachat::archive::bytes(folder.path()),
                In::Memory => session.archived().bytes,
            };
            assert!(
                used <= ROOM,
                "seed {seed}, step {step}: {used} bytes are archived"
            );
        }
    }
}

/// A long answer goes into the archive on its way while nothing is evicted. One that was given over
/// an evicted cache is read by the next turn, so that nothing inexact is archived.
#[test]
fn a_long_answer_is_archived_as_a_full_cache_has_it() {
    for preset in [Preset::FULL, Preset::ADA_SNAPKV] {
        let folder = tempfile::tempdir().unwrap();
        let rule = eviction(preset, 40, 6);
        let spec = TinySpec {
            context: 4096,
            endless: true,
            ..TinySpec::llama()
        };
        let model = model(&spec, &EXACT);
        let kept = archive(&model, In::Disk, folder.path(), LIMIT);
        let mut session = Session::new(model, rule, None).unwrap();
        session.set_archive(Some(kept)).unwrap();
        let ask = |session: &mut Session, tokens| {
            let seen = &mut Seen::default();
            session.ask("go on", &greedy(tokens), seen).unwrap();
        };
        ask(&mut session, 1300);
        let said = session.position();
        if preset == Preset::FULL {
            let segments = std::fs::read_dir(session.archived().path.unwrap()).unwrap();
            assert!(segments.count() >= 4, "the question and three parts");
            assert_eq!(session.archived().tokens, said);
        } else {
            assert!(session.archived().tokens < said - 1000);
        }
        ask(&mut session, 1);
        assert!(session.archived().tokens >= said);
    }
}

/// A conversation in turns, with the answers that it gave itself over small caches, keeps the same
/// entries and answers the same as one that reads all of it at once.
#[test]
fn own_answers_leave_no_trace() {
    for preset in [Preset::ADA_SNAPKV, Preset::ADA_REACH, Preset::POOLED_SNAPKV] {
        let rule = eviction(preset, 40, 6);
        let asked = [
            "what is in the user on the in",
            "and the other",
            "and the last of them",
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut turns = archived(&EXACT, rule, In::Disk, folder.path());
        for question in &asked[..2] {
            let seen = &mut Seen::default();
            turns.ask(question, &greedy(60), seen).unwrap();
        }
        let other = tempfile::tempdir().unwrap();
        let mut once = archived(&EXACT, rule, In::Disk, other.path());
        once.restart(None, Some(turns.messages().to_vec())).unwrap();
        for session in [&mut turns, &mut once] {
            let seen = &mut Seen::default();
            session.ask(asked[2], &greedy(30), seen).unwrap();
        }
        assert_eq!(turns.messages(), once.messages());
        let (turns, once) = (turns.layers(), once.layers());
        for layer in 0..turns.count() {
            for head in 0..turns.lens(layer).len() {
                let (a, b) = (turns.positions(layer, head), once.positions(layer, head));
                assert_eq!(a, b, "{preset:?}, layer {layer}, head {head}");
            }
        }
    }
}
