//! Answers that go on, end to end.

use std::time::Duration;

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
    app.send("\x0f");
    app.until("answering");
    std::thread::sleep(Duration::from_millis(300));
    app.signal("KILL");
    app.ended();

    let said = |home: &crate::pty::Home| {
        let folder = std::fs::read_dir(home.path("sessions")).unwrap();
        let files: Vec<_> = folder.map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "one conversation: {files:?}");
        cachat::session::read(&std::fs::read(&files[0]).unwrap()).turns
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
    assert_eq!(turns[0].end, Some(cachat::session::Ending::Length));
}
