//! The house stays as it was drawn: one direction of imports, no circles, small files, and `unsafe`
//! where it is expected; and what documents say of it is true. The sources are read as text.

mod circles;
mod promises;
mod sources;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use circles::circles;
use sources::Sources;

/// The rooms, each with those it may import from: only such as stand before it.
const ROOMS: &[(&str, &[&str])] = &[
    ("aside", &[]),
    ("bus", &[]),
    ("dirs", &[]),
    ("disk", &[]),
    ("heap", &[]),
    ("human", &[]),
    ("plot", &[]),
    ("random", &[]),
    ("unseen", &[]),
    ("document", &["aside"]),
    ("saved", &["disk"]),
    ("device", &[]),
    ("gpu", &[]),
    ("policy", &["random"]),
    ("cache", &["device", "gpu", "policy"]),
    ("archive", &["disk", "heap", "human", "cache"]),
    (
        "model",
        &[
            "aside", "dirs", "disk", "heap", "human", "device", "gpu", "policy", "cache", "archive",
        ],
    ),
    // Made models: for tests, and for the self-test of devices.
    ("testing", &["random", "model"]),
    (
        "engine",
        &[
            "dirs", "heap", "human", "policy", "cache", "archive", "model", "testing",
        ],
    ),
    // The evidence: only the command line may import it.
    (
        "eval",
        &[
            "disk", "heap", "human", "plot", "random", "unseen", "policy", "archive", "model",
            "engine",
        ],
    ),
    ("config", &["disk", "policy", "archive", "model", "engine"]),
    ("report", &["human", "plot", "model", "engine"]),
    (
        "tui",
        &[
            "bus", "disk", "human", "unseen", "document", "saved", "policy", "archive", "model",
            "engine", "config", "report",
        ],
    ),
    (
        "cli",
        &[
            "bus", "dirs", "disk", "human", "unseen", "document", "saved", "policy", "cache",
            "archive", "model", "engine", "eval", "config", "report", "tui",
        ],
    ),
];

/// Kernels are tied to each other for speed: their circles may stay.
const KERNELS: &str = "src/model/kernels/";

/// Files outside the kernels that may say `unsafe`.
const UNSAFE: &[&str] = &[
    // The map of a model's file.
    "src/model/gguf/map.rs",
    // The maps of archived segments, and what happens where their files are cut.
    "src/archive/map.rs",
    "src/archive/fault/unix.rs",
    // Handlers of signals that end the process.
    "src/bus/unix.rs",
    // The allocator is asked to return its stock.
    "src/heap.rs",
    // Driver calls for which there are no safe ones.
    "src/device/cuda.rs",
    "src/gpu/cuda/graphs.rs",
    "src/gpu/cuda/info.rs",
    "src/gpu/cuda/kernels.rs",
    "src/gpu/cuda/memory.rs",
    "src/gpu/cuda/products.rs",
    "src/gpu/cuda/stream.rs",
    "src/gpu/cuda/transfers.rs",
    "src/gpu/metal/memory.rs",
    "src/gpu/metal/queue.rs",
    // The emulated device: memory by its address, and the library of its kernels.
    "src/gpu/emulated/memory.rs",
    "src/gpu/emulated/library.rs",
];

const LINES: usize = 400;

type Imports<'s> = BTreeMap<&'s str, BTreeSet<&'s str>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `src/tui/state/mod.rs` is in the room `tui`, `src/dirs.rs` is the room `dirs`.
fn room(path: &str) -> &str {
    let path = path.trim_start_matches("src/");
    path.split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs")
}

/// Imports against the direction, and rooms that have no place yet.
fn against_the_direction(imports: &Imports) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, to) in imports.iter().filter(|(from, _)| **from != "src/lib.rs") {
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room(from)) else {
            wrong.push(format!("{from} is in no room of the list"));
            continue;
        };
        let others = to.iter().filter(|to| room(to) != room(from));
        let upward = others.filter(|to| !may.contains(&room(to)));
        wrong.extend(upward.map(|to| format!("{from} imports {to}")));
    }
    wrong
}

/// Circles of files, but those within the kernels.
fn tied(imports: &Imports) -> Vec<String> {
    let all = circles(imports).into_iter();
    let outside = all.filter(|circle| !circle.iter().all(|path| path.starts_with(KERNELS)));
    outside.map(|circle| circle.join(" ↔ ")).collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| format!("{path} has {lines} lines, and {LINES} are the most"))
}

fn unsafe_elsewhere(path: &str, text: &str) -> Option<String> {
    let expected = path.starts_with(KERNELS) || UNSAFE.contains(&path);
    let found = !expected && tokens::tokens(text).iter().any(|token| token == "unsafe");
    found.then(|| format!("{path} says `unsafe`"))
}

/// Every file below `src/`, tests too: its path and its text.
fn files() -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("src")]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root().join(&folder)).expect("a folder");
        for entry in entries.map(|entry| entry.expect("an entry")) {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(entry.path()).expect("a text");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                found.push((parts.join("/"), text));
            }
        }
    }
    found
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn rooms_import_in_one_direction() {
    for (i, (name, may)) in ROOMS.iter().enumerate() {
        let before: Vec<&str> = ROOMS[..i].iter().map(|(name, _)| *name).collect();
        assert!(may.iter().all(|other| before.contains(other)), "{name}");
    }
    let sources = Sources::read(root());
    assert_none(&against_the_direction(&sources.imports()));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = Sources::read(root());
    assert_none(&tied(&sources.imports()));
}

#[test]
fn no_file_is_long() {
    let files = files().into_iter();
    let long: Vec<String> = files
        .filter_map(|(path, text)| too_long(&path, &text))
        .collect();
    assert_none(&long);
}

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let files = files().into_iter();
    let found: Vec<String> = files
        .filter_map(|(path, text)| unsafe_elsewhere(&path, &text))
        .collect();
    assert_none(&found);
}

/// What the checks say of a crate of these files.
fn judged(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let text = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    let sources = Sources::follow(&text);
    let imports = sources.imports();
    (against_the_direction(&imports), tied(&imports))
}

#[test]
fn an_import_against_the_direction_is_found() {
    for wrong in [
        "use crate::engine::Session;",
        "fn f() { crate::engine::run() }",
        "use super::super::engine::{self, Session}; fn f(s: Session) {}",
        "use crate::{dirs, engine as e}; fn f() { e::run(dirs::home()) }",
        "fn f() { /* ' */ let c = '\"'; println!(\"{}\", crate::engine::run()) }",
    ] {
        let (upward, _) = judged(&[
            ("src/lib.rs", "pub mod model; pub mod engine; pub mod dirs;"),
            ("src/dirs.rs", ""),
            ("src/model/mod.rs", "mod load;"),
            ("src/model/load.rs", wrong),
            ("src/engine.rs", "pub struct Session; pub fn run() {}"),
        ]);
        assert_eq!(
            upward,
            ["src/model/load.rs imports src/engine.rs"],
            "{wrong}"
        );
    }
    let (nowhere, _) = judged(&[("src/lib.rs", "mod attic;"), ("src/attic.rs", "")]);
    assert_eq!(nowhere, ["src/attic.rs is in no room of the list"]);
}

#[test]
fn what_stands_in_tests_comments_and_strings_is_no_import() {
    let (upward, _) = judged(&[
        ("src/lib.rs", "pub mod model; pub mod testing;"),
        (
            "src/model.rs",
            "// crate::testing::tiny()\n/* /* */ crate::testing::x() */ const A: &str = \"crate::testing::x()\";
             const B: &str = r#\"\"crate::testing::x()\"#;
             #[cfg(test)] #[allow(unused)] mod tests { use crate::testing::tiny; }
             #[cfg(test)] use crate::testing::tiny;
             #[cfg(all(test, unix))] mod more;",
        ),
        ("src/testing.rs", "pub fn tiny() {}"),
    ]);
    assert_none(&upward);
    let (used, _) = judged(&[
        ("src/lib.rs", "pub mod model; pub mod testing;"),
        (
            "src/model.rs",
            "#[cfg(not(test))] fn f() { crate::testing::tiny() }",
        ),
        ("src/testing.rs", "pub fn tiny() {}"),
    ]);
    assert_eq!(used, ["src/model.rs imports src/testing.rs"]);
}

#[test]
fn a_circle_is_found_also_through_re_exports() {
    let room = |rest: &[(&'static str, &'static str)]| {
        let lib = ("src/lib.rs", "pub mod policy;");
        judged(&[&[lib], rest].concat()).1
    };
    let straight = room(&[
        ("src/policy/mod.rs", "mod a; mod b;"),
        ("src/policy/a.rs", "use super::b::B; pub struct A(B);"),
        ("src/policy/b.rs", "pub struct B; fn f(_: super::a::A) {}"),
    ]);
    assert_eq!(straight, ["src/policy/a.rs ↔ src/policy/b.rs"]);
    let handed_on = room(&[
        (
            "src/policy/mod.rs",
            "mod a; mod b; pub use a::A; pub use self::b::*;",
        ),
        (
            "src/policy/a.rs",
            "use super::B as Other; pub struct A(Other);",
        ),
        (
            "src/policy/b.rs",
            "use crate::policy::A; pub struct B; fn f(_: A) {}",
        ),
    ]);
    assert_eq!(handed_on, ["src/policy/a.rs ↔ src/policy/b.rs"]);
    let parent = room(&[
        ("src/policy/mod.rs", "mod a; pub struct P(a::A);"),
        ("src/policy/a.rs", "pub struct A; fn f(_: super::P) {}"),
    ]);
    assert_eq!(parent, ["src/policy/a.rs ↔ src/policy/mod.rs"]);
}

#[test]
fn a_type_in_several_files_and_a_face_are_no_circle() {
    let (upward, tied) = judged(&[
        ("src/lib.rs", "pub mod policy;"),
        (
            "src/policy/mod.rs",
            "mod a; mod b; pub use b::B; pub struct P(a::A);",
        ),
        (
            "src/policy/a.rs",
            "use super::P; pub struct A; impl<'a> Trait<'a> for P {}",
        ),
        ("src/policy/b.rs", "pub struct B; fn f(_: super::P) {}"),
    ]);
    assert_none(&upward);
    assert_none(&tied);
}

#[test]
fn a_long_file_and_unsafe_code_are_found() {
    assert_eq!(too_long("src/a.rs", &"\n".repeat(LINES)), None);
    assert!(too_long("src/a.rs", &"\n".repeat(LINES + 1)).is_some());
    let code = "fn f() { unsafe { g() } }";
    assert!(unsafe_elsewhere("src/cache/head.rs", code).is_some());
    assert_eq!(unsafe_elsewhere("src/model/kernels/ops.rs", code), None);
    assert_eq!(unsafe_elsewhere("src/cache/head.rs", "// unsafe\n"), None);
}
