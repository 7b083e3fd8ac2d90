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

fn archive(model: &Model, place: In, folder: &std::path::Path) -> Arc<Archive> {
    let identity = model.network.identity();
    Arc::new(match place {
        In::Disk => Archive::on_disk(folder, identity, LIMIT).unwrap(),
        In::Memory => Archive::in_memory(identity, LIMIT),
    })
}

/// A conversation with an archive in `folder`.
fn archived(
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
    let archive = archive(&model, place, folder);
    let mut session = Session::new(model, eviction, None).unwrap();
    session.set_archive(Some(archive)).unwrap();
    session
}

const PORTABLE: LoadOptions = LoadOptions {
    portable: true,
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

fn every_policy() -> [Preset; 4] {
    [
        Preset::SNAPKV,
        Preset::ADA_SNAPKV,
        Preset::ADA_PYRAMIDKV,
        Preset::ADA_REACH,
    ]
}

/// The paper selects once, for a prompt with its question at the end. After five questions with
/// their answers the cache is what that selection gives for all of it as one prompt.
#[test]
fn the_fifth_question_is_judged_as_if_everything_were_one_prompt() {
    for options in [EXACT, PORTABLE] {
        for preset in every_policy() {
            for place in [In::Disk, In::Memory] {
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

/// The archive of a conversation with decoded answers is the same in memory and on the disk, and after
/// the program was closed and opened at every turn.
#[test]
fn closing_and_opening_again_is_invisible() {
    for options in [EXACT, PORTABLE] {
        for preset in [Preset::ADA_SNAPKV, Preset::FULL] {
            let eviction = eviction(preset, 40, 6);
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut open = archived(&options, eviction, In::Disk, one.path());
            let mut said: Vec<Message> = Vec::new();
            for (turn, question) in questions().iter().enumerate() {
                open.ask(question, &greedy(30), &mut Seen::default())
                    .unwrap();
                let mut again = archived(&options, eviction, In::Disk, two.path());
                again.restart(None, Some(said.clone())).unwrap();
                let stats = again
                    .ask(question, &greedy(30), &mut Seen::default())
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
