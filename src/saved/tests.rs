use std::io::Write;

use super::*;
use crate::testing::Work;

fn header() -> Header {
    Header {
        cachat: 1,
        created: "2026-11-24T04:54:31+00:00".into(),
        model: "tiny".into(),
        policy: "ada-snapkv".into(),
    }
}

fn question(text: &str) -> Record {
    Record::User(vec![Piece::Text(text.into())])
}

fn lived(store: &Store) -> String {
    let mut writer = store.create(&header()).unwrap();
    let file = Piece::File {
        name: "a.txt".into(),
        text: "alpha\nbeta \u{1b}[31m".into(),
    };
    let records = [
        Record::User(vec![file, Piece::Text("what is it?".into())]),
        Record::Answer("It is ".into()),
        Record::Thought(Thought {
            tokens: 384,
            seconds: 12.5,
        }),
        Record::End(Ending::Stopped),
        Record::Answer("a letter.\n".into()),
        Record::End(Ending::Complete),
        question("and then?"),
        Record::Answer("日本".into()),
        Record::Truncate(2),
        question("why?"),
    ];
    for record in &records {
        writer.append(record).unwrap();
    }
    writer.name
}

#[test]
fn what_was_said_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let name = lived(&store);
    let (conversation, mut writer) = store.open(&name).unwrap();
    assert_eq!(conversation.header, header());
    assert_eq!(conversation.turns.len(), 2);
    assert_eq!(
        conversation.turns[0].answer.as_deref(),
        Some("It is a letter.\n"),
        "it was gone on with"
    );
    assert_eq!(conversation.turns[0].end, Some(Ending::Complete));
    assert_eq!(conversation.turns[0].thought.unwrap().tokens, 384);
    assert_eq!(conversation.turns[1].question, [Piece::Text("why?".into())]);
    assert_eq!(conversation.turns[1].answer, None);
    assert_eq!(conversation.turns[1].end, None);
    assert_eq!(conversation.title(), "a.txt what is it?");
    writer.append(&Record::Answer("so".into())).unwrap();
    assert!(matches!(store.open(&name), Err(SessionError::InUse(_))));
    drop(writer);
    let again = store.show("2026").unwrap();
    assert_eq!(again.turns[1].answer.as_deref(), Some("so"));
    assert_eq!(store.list("ALPHA").count(), 1);
    assert_eq!(store.list("gamma").count(), 0);
    assert_eq!(store.latest().unwrap(), name);
    store.delete(&name).unwrap();
    assert!(matches!(store.latest(), Err(SessionError::None)));
}

#[test]
fn a_crash_at_any_byte_loses_at_most_the_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let name = lived(&store);
    let path = folder.path().join(format!("{name}.jsonl"));
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        let partial = read(&whole[..cut]);
        // A line is there as soon as it lacks nothing but its end.
        let lines = whole[..=cut].iter().filter(|&&b| b == b'\n').count();
        let kept = whole.split_inclusive(|&b| b == b'\n').take(lines).flatten();
        let kept = read(&kept.copied().collect::<Vec<_>>());
        assert_eq!(partial.header, kept.header, "cut at {cut}");
        assert_eq!(partial.turns, kept.turns, "cut at {cut}");
        assert_eq!(partial.whole, kept.whole.min(cut), "cut at {cut}");
        assert_eq!((partial.damaged, kept.damaged), (0, 0));
    }
    // And what is written afterwards is whole again.
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let (_, mut writer) = store.open(&name).unwrap();
    writer.append(&question("again")).unwrap();
    drop(writer);
    let conversation = store.show(&name).unwrap();
    assert_eq!(conversation.damaged, 0);
    assert_eq!(
        conversation.turns.last().unwrap().question,
        [Piece::Text("again".into())]
    );
}

/// Killed a byte early, or edited by hand.
#[test]
fn a_last_line_without_its_end_is_kept_and_gone_on_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let name = lived(&store);
    let path = folder.path().join(format!("{name}.jsonl"));
    let content = std::fs::read(&path).unwrap();
    let unended = &content[..content.len() - 1];
    std::fs::write(&path, unended).unwrap();
    assert_eq!(store.list("").next().unwrap().turns, 2);
    let (conversation, mut writer) = store.open(&name).unwrap();
    assert_eq!(conversation.turns[1].question, [Piece::Text("why?".into())]);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        unended,
        "nothing is written before there is something to say"
    );
    writer.append(&Record::Answer("so ".into())).unwrap();
    writer.append(&Record::Answer("it is".into())).unwrap();
    drop(writer);
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(&content));
    let conversation = store.show(&name).unwrap();
    assert_eq!((conversation.damaged, conversation.whole), (0, whole.len()));
    assert_eq!(conversation.turns[1].answer.as_deref(), Some("so it is"));
}

#[test]
fn a_crash_within_the_header_costs_no_turn() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    std::fs::write(folder.path().join("s.jsonl"), "{\"cachat\":1,\"cre").unwrap();
    let (_, mut writer) = store.open("s").unwrap();
    writer.append(&question("why?")).unwrap();
    writer.append(&Record::Answer("so".into())).unwrap();
    drop(writer);
    let conversation = store.show("s").unwrap();
    assert_eq!((conversation.turns.len(), conversation.damaged), (1, 0));
    assert_eq!(conversation.turns[0].answer.as_deref(), Some("so"));
}

#[test]
fn what_is_no_conversation_is_refused_before_it_takes_all_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let path = |name: &str| folder.path().join(format!("{name}.jsonl"));
    let empty = "{\"user\":[]}\n";
    std::fs::write(path("many"), empty.repeat(read::MOST + 1)).unwrap();
    for refused in [store.show("many").err(), store.open("many").err()] {
        assert!(matches!(refused, Some(SessionError::Crowded(_))));
    }
    // What was taken back does not count.
    let again = format!("{empty}{{\"truncate\":0}}\n");
    std::fs::write(path("again"), again.repeat(read::MOST + 1)).unwrap();
    let conversation = store.show("again").unwrap();
    assert_eq!((conversation.turns.len(), conversation.damaged), (0, 0));
    let pieces = vec!["{\"text\":\"\"}"; record::PIECES + 1].join(",");
    std::fs::write(path("pieces"), format!("{{\"user\":[{pieces}]}}\n")).unwrap();
    let conversation = store.show("pieces").unwrap();
    assert_eq!((conversation.turns.len(), conversation.damaged), (0, 1));
    let large = std::fs::File::create(path("large")).unwrap();
    large.set_len(error::LARGEST + 1).unwrap();
    let said = store.show("large").unwrap_err().to_string();
    assert!(said.contains("512 MiB"), "{said}");
    // Both say that they are to be deleted.
    for name in ["large", "many"] {
        assert!(store.open(name).is_err());
        store.delete(name).unwrap();
        assert!(!path(name).exists());
    }
}

#[test]
fn hostile_files_are_read_as_far_as_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("x.jsonl")).unwrap();
    file.write_all(b"\xff\xfe garbage\n{\"answer\":\"no question\"}\n[1,2]\n{\"truncate\":99}\n")
        .unwrap();
    let store = Store::new(folder.path());
    let conversation = store.show("x").unwrap();
    assert_eq!((conversation.turns.len(), conversation.damaged), (0, 3));
    assert!(matches!(store.show("../x"), Err(SessionError::Unknown(_))));
    assert!(store.list("").next().is_none());
}

#[test]
fn two_in_the_same_second_have_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (one, two) = (
        store.create(&header()).unwrap(),
        store.create(&header()).unwrap(),
    );
    assert_ne!(one.name, two.name);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_them() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mode = |path: &std::path::Path| {
        let data = std::fs::metadata(path).unwrap();
        data.permissions().mode() & 0o777
    };
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/sessions");
    let name = lived(&Store::new(&folder));
    let file = folder.join(format!("{name}.jsonl"));
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));

    // What an earlier version left, and what is none of ours.
    let other = home.path().join("other.jsonl");
    std::fs::write(&other, "").unwrap();
    symlink(&other, folder.join("link.jsonl")).unwrap();
    let notes = folder.join("notes.txt");
    std::fs::write(&notes, "").unwrap();
    for path in [&file, &other, &notes] {
        open(path, 0o644);
    }
    open(&folder, 0o755);
    let store = Store::new(&folder);
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    assert_eq!((mode(&other), mode(&notes)), (0o644, 0o644));
    assert_eq!(store.show(&name).unwrap().turns.len(), 2);
}

/// 10,000 conversations, one of them with a paste of 10 MB, and what is none: the list reads the head
/// of each file once, and only of as many as are wanted.
#[test]
fn a_long_list_reads_little_and_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let name = lived(&store);
    let content = std::fs::read(folder.path().join(format!("{name}.jsonl"))).unwrap();
    for i in 0..9_998 {
        std::fs::write(folder.path().join(format!("c{i}.jsonl")), &content).unwrap();
    }
    let mut large = store.create(&header()).unwrap();
    let paste = Piece::Paste("a long paste, \u{201c}quoted\u{201d}\n".repeat(400_000));
    let asked = Record::User(vec![paste, Piece::Text("what is it?".into())]);
    large.append(&asked).unwrap();
    let large = large.name;
    #[cfg(unix)]
    {
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(path("loop.jsonl"), path("loop.jsonl")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero.jsonl")).unwrap();
        nix::unistd::mkfifo(&path("fifo.jsonl"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(store.show("fifo").is_err() && store.open("loop").is_err());
    }
    list::counted::take();
    let (begun, work) = (std::time::Instant::now(), Work::begin());
    let all: Vec<Summary> = store.list("").collect();
    println!("{} conversations in {:?}", all.len(), begun.elapsed());
    // Less than a second; minutes where each looks at all others.
    assert!(work.done().as_secs() < 10, "{:?}", work.done());
    let (files, bytes) = list::counted::take();
    assert_eq!((all.len(), files), (10_000, 10_000));
    assert!(
        bytes <= 9_999 * content.len() + list::HEAD + 1,
        "{bytes} bytes"
    );
    let found = all.iter().find(|s| s.name == large).unwrap();
    assert_eq!(
        (found.title.as_str(), found.turns()),
        ("[pasted]", "1+ turns".into())
    );
    assert_eq!(all.iter().filter(|s| s.turns() == "2 turns").count(), 9_999);
    store.latest().unwrap();
    assert_eq!(list::counted::take().0, 1);
    assert_eq!(store.list("").take(200).count(), 200);
    assert_eq!(list::counted::take().0, 200);
    let begun = std::time::Instant::now();
    assert_eq!(
        store.all(""),
        all,
        "by several threads the same in the same order"
    );
    println!("by several threads in {:?}", begun.elapsed());
}

#[test]
fn the_list_is_searched_by_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let mut writer = store.create(&header()).unwrap();
    let file = Piece::File {
        name: "Contract.pdf".into(),
        text: "a clause".into(),
    };
    writer.append(&Record::User(vec![file])).unwrap();
    let found: Vec<Summary> = store.list("contract").collect();
    assert_eq!(found[0].title, "Contract.pdf");
    assert_eq!(store.list("lease").count(), 0);
    let mut named = store.create_named("Meeting", &header()).unwrap();
    named.append(&question("why?")).unwrap();
    for query in ["meeting", "MEET", "Meeting"] {
        let found: Vec<Summary> = store.list(query).collect();
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(found[0].name, "Meeting");
    }
}
