use std::io::Write;

use super::*;

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
    assert_eq!(conversation.turns[1].question, [Piece::Text("why?".into())]);
    assert_eq!(conversation.turns[1].answer, None);
    assert_eq!(conversation.turns[1].end, None);
    assert_eq!(conversation.title(), "a.txt what is it?");
    writer.append(&Record::Answer("so".into())).unwrap();
    assert!(matches!(store.open(&name), Err(SessionError::InUse(_))));
    drop(writer);
    let again = store.show("2026").unwrap();
    assert_eq!(again.turns[1].answer.as_deref(), Some("so"));
    assert_eq!(store.list("ALPHA").len(), 1);
    assert_eq!(store.list("gamma").len(), 0);
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
        let lines = whole[..cut].iter().filter(|&&b| b == b'\n').count();
        let kept = whole.split_inclusive(|&b| b == b'\n').take(lines).flatten();
        assert_eq!(
            partial,
            read(&kept.copied().collect::<Vec<_>>()),
            "cut at {cut}"
        );
        assert_eq!(partial.damaged, 0);
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
    assert!(store.list("").is_empty());
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
    assert_eq!(store.list("contract")[0].title, "Contract.pdf");
    assert_eq!(store.list("lease"), []);
}
