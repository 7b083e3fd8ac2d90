//! Models in several files: all are fetched, and they are one model.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::server::{Request, Server, answer, honest, model};
use super::{Place, files, stderr};

fn name(no: usize) -> String {
    format!("tiny-Q4_K_M-{no:05}-of-00003.gguf")
}

/// Where part `no` is to be.
fn target(place: &Place, no: usize) -> PathBuf {
    place.snapshot("nobody/tiny").join("Q4").join(name(no))
}

/// Part `no`: each is another.
fn part(no: usize) -> Vec<u8> {
    let mut part = model();
    part.truncate(300_000 + no);
    part
}

fn asked(request: &Request) -> Option<usize> {
    (1..=3).find(|no| request.path.ends_with(&format!("/Q4/{}", name(*no))))
}

/// Answers as a Hub does that has three parts, and lists them in no order.
fn hub(request: &Request, has: impl Fn(usize) -> bool) -> Vec<u8> {
    if request.path.starts_with("/api/") {
        let of = |no| format!("{{\"rfilename\":\"Q4/{}\"}}", name(no));
        let list = format!("{{\"siblings\":[{},{},{}]}}", of(2), of(1), of(3));
        let length = list.len().to_string();
        return answer("200 OK", &[("Content-Length", &length)], list.as_bytes());
    }
    match asked(request).filter(|no| has(*no)) {
        Some(no) => honest(request, &part(no), &[]),
        None => answer("404 Not Found", &[("Content-Length", "0")], b""),
    }
}

#[test]
fn all_parts_come_and_are_one_model() {
    // Without a name, and by that of any part.
    for model in [
        "nobody/tiny".to_owned(),
        format!("nobody/tiny:Q4/{}", name(2)),
    ] {
        let place = Place::new();
        let server = Server::new(|request| hub(request, |_| true));
        let mut fetch = place.fetch(&model);
        let output = fetch.env("HF_ENDPOINT", &server.address).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), target(&place, 1).to_str().unwrap());
        for no in 1..=3 {
            assert_eq!(std::fs::read(target(&place, no)).unwrap(), part(no));
        }
        assert_eq!(
            files(&place.path("hub")).len(),
            7,
            "the parts, links to them, and the commit"
        );
        // It is found, and listed once, with the bytes of all.
        let mut again = place.fetch(&model);
        let output = again
            .env("HF_HUB_OFFLINE", "1")
            .arg("--json")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["name"], "tiny-Q4_K_M");
        assert_eq!(found["bytes"], 900_006);
    }
}

#[test]
fn what_came_before_a_part_was_missing_is_not_fetched_again() {
    // Without a name, and by that of a part that comes.
    for model in [
        "nobody/tiny".to_owned(),
        format!("nobody/tiny:Q4/{}", name(2)),
    ] {
        let place = Place::new();
        let whole = Arc::new(AtomicBool::new(false));
        let has = whole.clone();
        let server =
            Server::new(move |request| hub(request, |no| no < 3 || has.load(Ordering::SeqCst)));
        let fetch = |offline: &str| {
            let mut fetch = place.fetch(&model);
            fetch.env("HF_ENDPOINT", &server.address);
            fetch.env("HF_HUB_OFFLINE", offline).output().unwrap()
        };
        let first = fetch("0");
        assert!(!first.status.success());
        assert!(stderr(&first).contains("404"), "{}", stderr(&first));
        // Two of three are no model.
        assert!(!fetch("1").status.success());
        whole.store(true, Ordering::SeqCst);
        let before = server.seen().len();
        let second = fetch("0");
        assert!(second.status.success(), "{}", stderr(&second));
        let seen = server.seen().split_off(before);
        let parts: Vec<usize> = seen.iter().filter_map(asked).collect();
        assert!(parts.iter().all(|no| *no == 3), "{model}: {parts:?}");
        let said = String::from_utf8_lossy(&second.stdout);
        assert_eq!(said.trim(), target(&place, 1).to_str().unwrap());
    }
}

#[test]
fn parts_of_an_earlier_revision_are_not_taken_for_the_new_ones() {
    let place = Place::new();
    let old = place.path("hub/hub/models--nobody--tiny/snapshots");
    let old = old.join("a".repeat(40)).join("Q4");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join(name(1)), "GGUF of another").unwrap();
    let server = Server::new(|request| hub(request, |_| true));
    let mut fetch = place.fetch("nobody/tiny");
    let output = fetch.env("HF_ENDPOINT", &server.address).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for no in 1..=3 {
        assert_eq!(std::fs::read(target(&place, no)).unwrap(), part(no));
    }
}
