//! The Hub, honest and hostile.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::server::{Server, answer, honest, model, sha256};
use super::{Place, TOKEN, files, stderr};

const MODEL: &str = "nobody/tiny:tiny.gguf";

/// Where the model of [`MODEL`] is to be: in the Hub's own cache, of the commit that an honest server
/// names.
fn target(place: &Place) -> PathBuf {
    place.snapshot("nobody/tiny").join("tiny.gguf")
}

/// The fetch failed, said one of `why`, and left nothing but the lock, no empty folder either.
fn refused(place: &Place, server: &Server, model: &str, why: &[&str]) {
    let output = place
        .fetch(model)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(!output.status.success(), "{said}");
    assert!(why.iter().any(|why| said.contains(why)), "{said}");
    assert_eq!(
        files(&place.path("home/models")),
        [place.path("home/models/.lock")]
    );
    assert!(files(&place.path("hub")).is_empty());
    assert!(!place.path("hub/hub/models--nobody--tiny").exists());
    assert!(!place.path("home/models/.fetch").exists());
}

fn fetched(place: &Place, server: &Server) -> String {
    let output = place
        .fetch(MODEL)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let path = String::from_utf8(output.stdout).unwrap();
    assert_eq!(std::fs::read(path.trim()).unwrap(), model());
    said
}

#[test]
fn a_good_file_lands_in_the_hubs_cache_and_is_found_without_network() {
    let place = Place::new();
    let server = Server::new(|request| honest(request, &model(), &[]));
    fetched(&place, &server);
    assert_eq!(std::fs::read(target(&place)).unwrap(), model());
    assert_eq!(files(&place.path("home/models")).len(), 1, "the lock");
    let repo = place.path("hub/hub/models--nobody--tiny");
    let blob = repo.join("blobs").join(sha256(&model()));
    let main = repo.join("refs/main");
    assert_eq!(files(&repo), [blob.clone(), main.clone(), target(&place)]);
    assert_eq!(std::fs::read(&main).unwrap(), "c".repeat(40).as_bytes());
    assert_eq!(
        target(&place).canonicalize().unwrap(),
        blob.canonicalize().unwrap()
    );
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|r| r.path == "/nobody/tiny/resolve/main/tiny.gguf")
    );
    let bearer = format!("Bearer {TOKEN}");
    assert!(
        seen.iter()
            .all(|r| r.header("authorization") == Some(&bearer))
    );
    let again = place
        .fetch(MODEL)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(server.seen().len(), seen.len());
}

#[test]
fn what_other_tools_keep_in_the_hubs_cache_is_found() {
    let place = Place::new();
    let repo = place.path("hub/hub/models--nobody--tiny");
    let snapshot = repo.join("snapshots").join("c".repeat(40));
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), "c".repeat(40)).unwrap();
    std::fs::write(snapshot.join("tiny.gguf"), model()).unwrap();
    let output = place
        .fetch(MODEL)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn no_header_becomes_a_path() {
    for name in ["X-Linked-Etag", "ETag", "X-Repo-Commit"] {
        for absolute in [true, false] {
            let place = Place::new();
            let victim = place.path("victim");
            let value = match absolute {
                true => victim.to_str().unwrap().to_owned(),
                false => "../../../../../victim".to_owned(),
            };
            let server = Server::new(move |request| {
                let mut headers = vec![(name, value.as_str())];
                if name == "ETag" {
                    headers.push(("X-Linked-Etag", "-"));
                }
                honest(request, &model(), &headers)
            });
            fetched(&place, &server);
            let of_ours = ["home/models", "hub/hub/models--nobody--tiny"].map(|p| place.path(p));
            let mut all = files(place.folder.path());
            all.retain(|path| !of_ours.iter().any(|ours| path.starts_with(ours)));
            assert!(all.is_empty(), "{name}: {all:?}");
        }
    }
}

#[test]
fn no_name_of_a_list_leaves_the_folder() {
    let place = Place::new();
    let victim = place.path("victim.gguf");
    for name in [
        victim.to_str().unwrap(),
        "../../../victim.gguf",
        "a/../../b.gguf",
        "x\u{1b}[2J.gguf",
    ] {
        let list = serde_json::json!({"sha": "c", "siblings": [{"rfilename": name}]}).to_string();
        let server = Server::new(move |request| match request.path.starts_with("/api/") {
            true => answer("200 OK", &[], list.as_bytes()),
            false => honest(request, &model(), &[]),
        });
        refused(&place, &server, "nobody/tiny", &["has no GGUF file"]);
        assert!(!victim.exists());
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::new(|request| honest(request, &model(), &[]));
    refused(
        &place,
        &server,
        "nobody/tiny:../../x/y.gguf",
        &["the file's name"],
    );
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn the_best_of_a_list_is_fetched() {
    let place = Place::new();
    let server = Server::new(|request| {
        match request.path.as_str() {
        "/api/models/nobody/tiny/revision/main" => answer(
            "200 OK",
            &[],
            br#"{"sha": "c", "siblings": [{"rfilename": "../q4_k_m.gguf"}, {"rfilename": "mmproj-q4_k_m.gguf"}, {"rfilename": "x/a q4_0.gguf"}]}"#,
        ),
        "/nobody/tiny/resolve/main/x/a%20q4_0.gguf" => honest(request, &model(), &[]),
        _ => answer("404 Not Found", &[], b""),
    }
    });
    let output = place
        .fetch("nobody/tiny")
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        place
            .snapshot("nobody/tiny")
            .join("x/a q4_0.gguf")
            .is_file()
    );
}

#[test]
fn nothing_is_written_through_a_link() {
    let hash = sha256(&model());
    for planted in [
        format!("blobs/{hash}"),
        format!("snapshots/{}/tiny.gguf", "c".repeat(40)),
        "refs/main".to_owned(),
    ] {
        let place = Place::new();
        let victim = place.path("victim");
        let link = place.path("hub/hub/models--nobody--tiny").join(&planted);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&victim, &link).unwrap();
        let server = Server::new(|request| honest(request, &model(), &[]));
        fetched(&place, &server);
        assert!(!victim.exists(), "{planted}");
        assert_eq!(std::fs::read(target(&place)).unwrap(), model(), "{planted}");
    }
    // Where the cache leads elsewhere, the app's own folder has it.
    for folder in ["", ".fetch", "blobs", "refs", "snapshots"] {
        let place = Place::new();
        let victim = place.path("victim");
        std::fs::create_dir_all(&victim).unwrap();
        let link = place.path("hub/hub/models--nobody--tiny").join(folder);
        let link = PathBuf::from(link.to_str().unwrap().trim_end_matches('/'));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&victim, &link).unwrap();
        let server = Server::new(|request| honest(request, &model(), &[]));
        fetched(&place, &server);
        let own = place.path("home/models/nobody--tiny/tiny.gguf");
        assert_eq!(std::fs::read(own).unwrap(), model(), "{folder}");
        assert!(files(&victim).is_empty(), "{folder}");
    }
    // And that is no link either.
    let place = Place::new();
    let victim = place.path("victim");
    for folder in ["home/models", "hub"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    std::fs::create_dir_all(&victim).unwrap();
    symlink(&victim, place.path("home/models/nobody--tiny")).unwrap();
    let server = Server::new(|request| honest(request, &model(), &[("X-Repo-Commit", "-")]));
    let output = place
        .fetch(MODEL)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    assert!(stderr(&output).contains("is a link"), "{}", stderr(&output));
    assert!(files(&victim).is_empty());
}

#[test]
fn what_the_disk_has_no_room_for_is_refused_before_it_comes() {
    let place = Place::new();
    let server = Server::new(|request| {
        let huge = 1u64 << 60;
        let range = format!("bytes 0-0/{huge}");
        let huge = huge.to_string();
        honest(
            request,
            &model(),
            &[("X-Linked-Size", &huge), ("Content-Range", &range)],
        )
    });
    let output = place
        .fetch(MODEL)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(
        said.contains("GB are free") && said.contains("make room"),
        "{said}"
    );
    assert_eq!(server.seen().len(), 1, "nothing of it came");
}

#[test]
fn a_longer_body_is_cut_and_refused() {
    // Without a length of its own; with one that is longer than the whole.
    for length in ["-", "700004"] {
        let place = Place::new();
        let server = Server::new(move |request| {
            let mut raw = honest(request, &model(), &[("Content-Length", length)]);
            if !request.asks() {
                raw.extend([b'x'; 100_000]);
            }
            raw
        });
        refused(
            &place,
            &server,
            MODEL,
            &["it is longer than the 600004 bytes"],
        );
    }
}

#[test]
fn lengths_that_disagree_are_refused() {
    let place = Place::new();
    let server = Server::new(|request| honest(request, &model(), &[("X-Linked-Size", "12")]));
    refused(&place, &server, MODEL, &["it has 600004 bytes, not 12"]);
    let server = Server::new(|request| {
        let other = format!(
            "bytes {}-600003/600004",
            request.start() + usize::from(!request.asks())
        );
        honest(request, &model(), &[("Content-Range", &other)])
    });
    refused(&place, &server, MODEL, &["another piece came"]);
}

#[test]
fn another_hash_is_refused() {
    let place = Place::new();
    let tag = format!("\"{}\"", "0".repeat(64));
    let server = Server::new(move |request| honest(request, &model(), &[("X-Linked-Etag", &tag)]));
    refused(&place, &server, MODEL, &["its SHA-256 is"]);
}

/// Cuts each answer after so many bytes of the file.
fn cutting(after: usize, spoil: bool) -> Server {
    Server::new(move |request| {
        let mut raw = honest(request, &model(), &[]);
        if !request.asks() {
            let head = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            let left = after.saturating_sub(request.start());
            raw.truncate(head + left);
            if spoil && left > 0 {
                *raw.last_mut().unwrap() ^= 1;
            }
        }
        raw
    })
}

#[test]
fn what_was_cut_is_resumed_and_verified() {
    for spoil in [false, true] {
        let place = Place::new();
        let server = cutting(200_000, spoil);
        let output = place
            .fetch(MODEL)
            .env("HF_ENDPOINT", &server.address)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert!(
            said.contains("200000 of 600004 bytes") && said.contains("resumed"),
            "{said}"
        );
        assert!(!target(&place).exists());
        let server = Server::new(|request| honest(request, &model(), &[]));
        fetched(&place, &server);
        let starts: Vec<usize> = server.seen().iter().map(|r| r.start()).collect();
        match spoil {
            false => assert_eq!(starts, [0, 200_000]),
            // What was there did not stand the check: once more, from the beginning.
            true => assert_eq!(starts, [0, 200_000, 0, 0]),
        }
    }
}

/// Every other answer is longer than the one before it, and brings nothing new.
#[test]
fn a_server_that_begins_anew_again_and_again_is_given_up() {
    let place = Place::new();
    let mut turn: usize = 0;
    let server = Server::new(move |request| {
        if request.asks() {
            return honest(request, &model(), &[]);
        }
        turn += 1;
        let (file, commit) = (model(), "c".repeat(40));
        let tag = format!("\"{}\"", sha256(&file));
        let headers = [
            ("X-Linked-Etag", tag.as_str()),
            ("X-Linked-Size", "600004"),
            ("X-Repo-Commit", &commit),
        ];
        match turn {
            1..=20 => answer("200 OK", &headers, &file[..100 + turn % 2 * 100]),
            _ => answer("404 Not Found", &[("Content-Length", "0")], b""),
        }
    });
    let output = place
        .fetch(MODEL)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("100 of 600004 bytes in 4 connections"),
        "{said}"
    );
    assert_eq!(server.seen().len(), 5, "the question, and four answers");
}

#[test]
fn a_server_without_ranges_will_do() {
    let place = Place::new();
    let server = cutting(200_000, false);
    place
        .fetch(MODEL)
        .env("HF_ENDPOINT", &server.address)
        .output()
        .unwrap();
    let server = Server::new(|_| {
        let (length, tag) = (model().len().to_string(), sha256(&model()));
        answer(
            "200 OK",
            &[("Content-Length", &length), ("ETag", &tag)],
            &model(),
        )
    });
    fetched(&place, &server);
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let place = Place::new();
    let store = Server::new(|request| {
        let none = [
            ("X-Linked-Etag", "-"),
            ("X-Repo-Commit", "-"),
            ("ETag", "\"other\""),
        ];
        honest(request, &model(), &none)
    });
    // Another port, and another name of the same machine.
    for host in ["127.0.0.1", "localhost"] {
        let away = format!("{}/blob", store.address.replace("127.0.0.1", host));
        let _ = std::fs::remove_file(target(&place));
        let server = Server::new(move |request| match request.path.ends_with("/moved.gguf") {
            false => answer(
                "307 Temporary Redirect",
                &[("Location", "/moved.gguf"), ("Content-Length", "0")],
                b"",
            ),
            true => {
                let (tag, commit) = (format!("\"{}\"", sha256(&model())), "c".repeat(40));
                let headers = [
                    ("Location", away.as_str()),
                    ("X-Linked-Etag", &tag),
                    ("X-Linked-Size", "600004"),
                    ("X-Repo-Commit", &commit),
                    ("Content-Length", "0"),
                ];
                answer("302 Found", &headers, b"")
            }
        });
        fetched(&place, &server);
        assert!(
            server
                .seen()
                .iter()
                .all(|r| r.header("authorization").is_some())
        );
    }
    let seen = store.seen();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert!(!format!("{request:?}").contains(TOKEN), "{request:?}");
    }
}

#[test]
fn redirects_that_lead_nowhere_end() {
    let place = Place::new();
    for (to, why) in [
        ("/again", "from place to place"),
        ("file:///etc/passwd", "where no file can be"),
    ] {
        let server = Server::new(move |_| {
            answer(
                "302 Found",
                &[("Location", to), ("Content-Length", "0")],
                b"",
            )
        });
        refused(&place, &server, MODEL, &[why]);
    }
    let server = Server::new(|_| answer("404 Not Found", &[("Content-Length", "0")], b""));
    refused(&place, &server, MODEL, &["look at the name"]);
    let server = Server::new(|_| b"\x1b]0;hello\x07\r\n\r\n".to_vec());
    refused(&place, &server, MODEL, &["Hub:"]);
}

#[test]
fn the_advice_names_a_path_that_is_looked_at() {
    for model in ["nobody/tiny", MODEL] {
        let place = Place::new();
        let offline = || {
            place
                .fetch(model)
                .env("HF_HUB_OFFLINE", "1")
                .output()
                .unwrap()
        };
        let said = stderr(&offline());
        let advised = said.split("Put the file at ").nth(1).expect(&said);
        let path = PathBuf::from(advised.lines().next().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, super::server::model()).unwrap();
        let found = offline();
        assert!(found.status.success(), "{model}: {}", stderr(&found));
        assert_eq!(
            String::from_utf8(found.stdout).unwrap().trim(),
            path.to_str().unwrap()
        );
    }
}

/// A disk that fails while a model comes: it is said, and the next try brings it.
#[test]
fn a_failing_disk_is_said_and_leaves_nothing_that_looks_like_a_model() {
    for (fault, why) in [
        ("full", "disk is full"),
        ("io", "cannot write"),
        ("sync", "cannot write"),
    ] {
        let place = Place::new();
        let server = Server::new(|request| honest(request, &super::server::model(), &[]));
        let disk = place.path("disk");
        std::fs::write(&disk, fault).unwrap();
        let output = place
            .fetch(MODEL)
            .env("HF_ENDPOINT", &server.address)
            .env("CACHAT_TEST_DISK", &disk)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert!(
            !output.status.success() && said.contains(why),
            "{fault}: {said}"
        );
        assert!(!target(&place).exists());
        std::fs::remove_file(&disk).unwrap();
        fetched(&place, &server);
    }
}
