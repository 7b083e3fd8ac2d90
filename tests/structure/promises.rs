//! What the documents name is there: files, and the test that shows each point of `docs/reliability.md`.

use std::path::Path;

use super::{assert_none, root};

/// Documents that say where something is.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/performance.md",
    "docs/reliability.md",
];
/// Where files that documents name stand.
const FOLDERS: &[&str] = &["src/", "tests/", "docs/", "benches/"];

/// Rust files below `folder`, by their path from the root, with what they say.
fn code(folder: &str, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            code(&path, all);
        } else if path.ends_with(".rs") {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            all.push((path, text));
        }
    }
}

/// What stands between backticks.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines();
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// `a::{b,c}` is `a::b` and `a::c`.
fn spelled_out(name: &str) -> Vec<String> {
    let braces = name.split_once('{').and_then(|(before, rest)| {
        let (some, behind) = rest.split_once('}')?;
        Some((before, some, behind))
    });
    let Some((before, some, behind)) = braces else {
        return vec![name.to_owned()];
    };
    let one = |one: &str| spelled_out(&format!("{before}{}{behind}", one.trim()));
    some.split(',').flat_map(one).collect()
}

/// Whether there is such a test, or for `*` such a module.
fn is_there(test: &str, code: &[(String, String)]) -> bool {
    let (modules, last) = test.rsplit_once("::").unwrap_or(("", test));
    if last != "*" {
        let begin = format!("fn {last}(");
        return code.iter().any(|(_, text)| text.contains(&begin));
    }
    let module = modules.rsplit("::").find(|module| *module != "tests");
    let file = |module: &str| (format!("/{module}.rs"), format!("/{module}/"));
    module.map(file).is_some_and(|(file, folder)| {
        code.iter()
            .any(|(path, _)| path.ends_with(&file) || path.contains(&folder))
    })
}

fn missing_tests(document: &str, code: &[(String, String)]) -> Vec<String> {
    let names = named(document).filter(|name| name.contains("::"));
    let names = names.flat_map(spelled_out);
    names.filter(|name| !is_there(name, code)).collect()
}

#[test]
fn every_point_of_reliability_has_the_test_that_is_named() {
    let document = std::fs::read_to_string(root().join("docs/reliability.md")).expect("text");
    let (_, table) = document
        .split_once("## Which test shows what")
        .expect("the table");
    let table = table.split("\n## ").next().unwrap_or(table);
    for point in 1..=25 {
        assert!(table.contains(&format!("\n| {point} | ")), "point {point}");
    }
    let mut all = Vec::new();
    code("src", &mut all);
    code("tests", &mut all);
    assert_none(&missing_tests(table, &all));
}

#[test]
fn files_that_documents_name_are_there() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).expect("text");
        let plain = |name: &&str| !name.contains([' ', '*', '{', '<']);
        let files = named(&text).filter(|name| FOLDERS.iter().any(|f| name.starts_with(f)));
        for file in files.filter(plain) {
            if !Path::new(root()).join(file).exists() {
                missing.push(format!("{document} names {file}"));
            }
        }
    }
    assert_none(&missing);
}

#[test]
fn a_test_that_is_gone_is_found() {
    let code = [("tests/cli.rs".to_owned(), "fn one() {}".to_owned())];
    let table = "| 1 | x | `cli::{one, two}`, `cli::*`, `panels::tests::*`, `SECURITY.md` |";
    assert_eq!(
        missing_tests(table, &code),
        ["cli::two", "panels::tests::*"]
    );
}
