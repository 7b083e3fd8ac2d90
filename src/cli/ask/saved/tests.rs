use super::*;
use crate::disk::{Fault, Faults};
use crate::engine::event::Role;
use crate::saved::SavedTurn;

fn question(text: &str) -> Record {
    Record::User(vec![Piece::Text(text.into())])
}

#[test]
fn only_what_is_open_at_the_end_is_asked_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(folder.path());
    let store = Store::new(&dirs.sessions);
    let mut writer = store.create_named("talk", &Header::default()).unwrap();
    for record in [
        question("one"),
        question("two"),
        Record::Answer("2".into()),
        Record::End(Ending::Complete),
        question("three"),
        Record::End(Ending::Stopped),
        question("four"),
        question("five"),
    ] {
        writer.append(&record).unwrap();
    }
    drop(writer);
    // The second time there is nothing left to cut.
    for _ in 0..2 {
        let saved = Saved::open("talk", &Settings::default(), &dirs).unwrap();
        let said = saved.messages.iter().map(|m| (m.role, m.content.as_str()));
        let said: Vec<(Role, &str)> = said.collect();
        let turn = |question, answer| [(Role::User, question), (Role::Assistant, answer)];
        assert_eq!(
            said,
            [turn("one", ""), turn("two", "2"), turn("three", "")].concat()
        );
        assert_eq!(store.show("talk").unwrap().turns.len(), 3);
    }
}

fn stats(stop: Stop, generated_tokens: usize) -> TurnStats {
    TurnStats {
        turn: 1,
        stop,
        prompt_tokens: 10,
        reused_tokens: 0,
        recalled_entries: 0,
        generated_tokens,
        thought_tokens: 0,
        prefill_seconds: 1.0,
        decode_seconds: 0.0,
        drafts: Default::default(),
    }
}

/// A conversation of its own, in which this was asked.
fn asked(question: &str) -> (tempfile::TempDir, Saved) {
    let folder = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(folder.path());
    let mut saved = Saved::open("talk", &Settings::default(), &dirs).unwrap();
    saved.ask(vec![Piece::Text(question.into())]);
    (folder, saved)
}

/// The turns, as they are in the file.
fn turns(folder: &tempfile::TempDir) -> Vec<SavedTurn> {
    let dirs = Dirs::under(folder.path());
    Store::new(&dirs.sessions).show("talk").unwrap().turns
}

fn said(piece: &str) -> Event {
    Event::Text {
        turn: 1,
        piece: piece.into(),
    }
}

#[test]
fn a_question_that_was_stopped_while_it_was_read_is_not_kept() {
    let (folder, mut saved) = asked("why?");
    for (generated_tokens, kept) in [(0, 0), (1, 1)] {
        saved.ask(vec![Piece::Text("why?".into())]);
        let stats = stats(Stop::Interrupted, generated_tokens);
        saved.keep(0.0, &stats).unwrap();
        assert_eq!(turns(&folder).len(), kept);
    }
    assert_eq!(turns(&folder)[0].answer.as_deref(), Some(""));
    // Refused, or failed before its first token.
    saved.ask(vec![Piece::Text("and then?".into())]);
    saved.broken_off().unwrap();
    assert_eq!(turns(&folder).len(), 1);
}

#[test]
fn what_is_said_is_written_down_as_it_comes() {
    let (folder, mut saved) = asked("why?");
    let answer = || turns(&folder)[0].answer.clone();
    assert_eq!(turns(&folder).len(), 0, "while it is read");
    saved.event(&Event::Decoded {
        turn: 1,
        generated: 1,
        seconds: 0.0,
        position: 10,
    });
    assert_eq!(turns(&folder)[0].question, [Piece::Text("why?".into())]);
    saved.event(&said("so "));
    assert_eq!(answer(), None);
    saved.event(&said("it is\n"));
    assert_eq!(answer().as_deref(), Some("so it is\n"));
    for _ in 0..300 {
        saved.event(&said("x"));
    }
    assert_eq!(answer().unwrap().len(), 9 + 240);
    saved.keep(0.0, &stats(Stop::Eos, 303)).unwrap();
    assert_eq!(answer().unwrap().len(), 9 + 300);
    assert_eq!(turns(&folder)[0].end, Some(Ending::Complete));
}

#[test]
fn a_turn_that_fails_keeps_what_was_said() {
    let (folder, mut saved) = asked("why?");
    saved.event(&said("so "));
    saved.broken_off().unwrap();
    let turn = &turns(&folder)[0];
    assert_eq!((turn.answer.as_deref(), turn.end), (Some("so "), None));
}

/// A disk that is full for a while costs nothing; one that stays so is said at the end.
#[test]
fn what_a_failing_disk_does_not_take_is_written_with_what_follows() {
    for fault in [Fault::Full, Fault::Io, Fault::ReadOnly] {
        for at in (0..60).step_by(7) {
            let (folder, mut saved) = asked("why?");
            let faults = Faults::from(fault, at);
            saved.event(&said("so it is\n"));
            let failed = saved.keep(0.0, &stats(Stop::Eos, 3));
            // The question and the line take more.
            assert!(failed.is_err(), "{fault:?} at {at}");
            drop(faults);
            saved.ask(vec![Piece::Text("and then?".into())]);
            saved.event(&said("nothing"));
            saved.keep(0.0, &stats(Stop::Eos, 3)).unwrap();
            let turns = turns(&folder);
            let answers: Vec<_> = turns.iter().map(|turn| turn.answer.as_deref()).collect();
            let all = [Some("so it is\n"), Some("nothing")];
            assert_eq!(answers, all, "{fault:?} at {at}");
        }
    }
    let (_folder, mut saved) = asked("why?");
    saved.event(&said("so"));
    let _faults = Faults::from(Fault::Sync, 0);
    assert!(saved.keep(0.0, &stats(Stop::Eos, 1)).is_err());
}
