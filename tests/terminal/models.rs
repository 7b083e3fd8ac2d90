//! Another model while one answers, end to end.

use std::time::Duration;

use cachat::testing::{TinySpec, write_tiny_gguf};

use crate::pty::App;
use crate::talkative;

#[test]
fn a_failed_model_keeps_the_one_that_works_and_a_good_one_takes_over() {
    let home = talkative();
    let whole = std::fs::read(home.path("tiny.gguf")).unwrap();
    home.file("cut.gguf", &whole[..whole.len() / 2]);
    let other = TinySpec {
        endless: true,
        context: 1 << 16,
        ..TinySpec::llama()
    };
    write_tiny_gguf(home.path("other.gguf"), &other).unwrap();
    let args = ["--max-tokens", "7"];
    let mut app = App::start_in(home.clone(), (120, 40), &args, &[]).ready();
    let answered = |app: &App, question: &str| {
        app.until_that("an answer", |screen| {
            let behind = screen.rsplit_once(question);
            behind.is_some_and(|(_, answer)| answer.contains("7 tokens"))
        });
    };
    app.say("one");
    answered(&app, "one");
    for (wrong, question) in [("missing.gguf", "two"), ("cut.gguf", "three")] {
        app.say(&format!("/model {}", home.path(wrong).display()));
        app.until_that("what is wrong", |screen| {
            let behind = screen.rsplit_once(wrong);
            behind.is_some_and(|(_, why)| why.contains("goes on."))
        });
        app.say(question);
        answered(&app, question);
    }
    app.say(&format!("/model {}", home.path("other.gguf").display()));
    app.until("65.5k");
    app.say("four");
    answered(&app, "four");
    app.leave();
}

#[test]
fn without_a_model_nothing_hangs_and_one_can_be_started() {
    let home = talkative();
    let missing = home.path("missing.gguf");
    let mut app = App::with_model(home.clone(), &missing, (120, 40), &[], &[]);
    app.until("no model is running");
    app.say("/retry");
    app.until("/model starts one");
    std::thread::sleep(Duration::from_millis(200));
    app.gone("stopping");
    app.say(&format!("/model {}", home.path("tiny.gguf").display()));
    app.until("ctx ");
    app.leave();
}

/// With an address space that is limited while it runs, a model without room in it is refused, with
/// figures, and the one that answers goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_model_that_cannot_fit_is_refused_and_the_running_one_goes_on() {
    let home = talkative();
    let large = TinySpec {
        hidden: 512,
        head_dim: 128,
        vocab: 131_072,
        ..TinySpec::llama()
    };
    write_tiny_gguf(home.path("large.gguf"), &large).unwrap();
    let bytes = std::fs::metadata(home.path("large.gguf")).unwrap().len();
    let args = ["--max-tokens", "7"];
    let mut app = App::start_in(home.clone(), (120, 40), &args, &[]).ready();
    let answered = |app: &App, question: &str| {
        app.until_that("an answer", |screen| {
            let behind = screen.rsplit_once(question);
            behind.is_some_and(|(_, answer)| answer.contains("7 tokens"))
        });
    };
    app.say("one");
    answered(&app, "one");
    // The map of its file has room, and what threads reserve; its weights beside them have not.
    app.limit_address_space(bytes + (200 << 20));
    app.say(&format!("/model {}", home.path("large.gguf").display()));
    app.until_that("the figures", |screen| {
        let said = ["large takes about", "model", "address space", "goes on."];
        said.iter().all(|part| screen.contains(part))
    });
    app.say("two");
    answered(&app, "two");
    app.leave();
}
