//! Answers that go on, end to end.

use crate::pty::App;
use crate::talkative;

#[test]
fn a_stopped_answer_goes_on_also_after_a_crash() {
    let home = talkative();
    let args = ["--max-tokens", "20"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.say("go on");
    app.until("20 tokens");
    app.until("Ctrl-O goes on");
    app.send("\x0f");
    app.until("40 tokens");
    app.say("/continue");
    app.until("60 tokens");
    app.send("\x04");
    assert_eq!(app.ended(), 0);

    let args = ["--continue", "--max-tokens", "100000"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.until("not finished · Ctrl-O goes on");
    home.hold("answer 400");
    app.send("\x0f");
    app.until("answering 400");
    app.signal("KILL");
    app.ended();
    home.open();

    let said = |home: &crate::pty::Home| {
        let folder = std::fs::read_dir(home.path("sessions")).unwrap();
        let files: Vec<_> = folder.map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "one conversation: {files:?}");
        cachat::saved::read(&std::fs::read(&files[0]).unwrap()).turns
    };
    let turns = said(&home);
    assert_eq!(
        (turns.len(), turns[0].end),
        (1, None),
        "nothing says that it ended"
    );
    let before = turns[0].answer.clone().unwrap();
    let args = ["--continue", "--max-tokens", "5"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.say("/continue");
    app.until("5 tokens");
    app.leave();
    let turns = said(&home);
    assert_eq!(turns.len(), 1, "it is the same answer");
    let answer = turns[0].answer.as_deref().unwrap();
    assert!(answer.starts_with(&before) && answer.len() > before.len());
    assert_eq!(turns[0].end, Some(cachat::saved::Ending::Length));
}

#[test]
fn a_question_is_compared_and_the_conversation_stays() {
    let args = ["--max-tokens", "20", "--budget", "24"];
    let mut app = App::start_in(talkative(), (160, 50), &args, &[]).ready();
    app.say("one two three four five six seven eight nine ten");
    app.until("20 tokens");
    app.say("/compare");
    app.until("keep an answer");
    for shown in [
        "1 full",
        "2 blend",
        "3 pooled-blend",
        "24 per head",
        "of the attention",
        "KL",
    ] {
        app.until(shown);
    }
    // Narrow, the columns take turns under a table.
    app.resize((80, 24));
    app.until_that("a table", |s| {
        s.contains("agrees") && !s.contains("│ 2 blend")
    });
    app.resize((160, 50));
    app.until("│ 2 blend");
    app.send("\x1b");
    // What is typed right behind an Esc would be a key with Alt.
    app.gone("keep an answer");
    app.say("and then?");
    app.until_that("a second answer", |s| s.matches("20 tokens").count() == 2);
    app.say("/compare streaming 24 why is it so?");
    app.until("keep an answer");
    app.send("2");
    app.until("kept the answer");
    app.until("20 tokens · streaming");
    app.leave();
}

#[test]
fn esc_stops_a_comparison() {
    let mut app = App::start_in(talkative(), (120, 40), &["--max-tokens", "200"], &[]).ready();
    let words = "some words of a long text ".repeat(400);
    app.until("ctx ");
    app.send("/compare 64 ");
    app.until("/compare 64");
    app.paste(&words);
    app.until("[pasted");
    app.home.hold("read 1");
    app.send("\r");
    app.until("reads");
    app.send("\x1b");
    app.until("was stopped");
    app.send("\x1b");
    app.until("? help");
    app.leave();
}
