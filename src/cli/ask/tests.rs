use super::*;
use crate::engine::event::Role;

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

#[test]
fn a_question_that_was_stopped_while_it_was_read_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(folder.path());
    let mut saved = Saved::open("talk", &Settings::default(), &dirs).unwrap();
    let output = Output::new(Default::default(), true, false);
    for (generated_tokens, kept) in [(0, 0), (1, 1)] {
        let stats = TurnStats {
            turn: 1,
            stop: Stop::Interrupted,
            prompt_tokens: 10,
            reused_tokens: 0,
            recalled_entries: 0,
            generated_tokens,
            thought_tokens: 0,
            prefill_seconds: 1.0,
            decode_seconds: 0.0,
            drafts: Default::default(),
        };
        let question = vec![Piece::Text("why?".into())];
        saved.keep(question, &output, &stats).unwrap();
        let shown = Store::new(&dirs.sessions).show("talk").unwrap();
        assert_eq!(shown.turns.len(), kept);
    }
}
