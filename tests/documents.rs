//! Documents as the program reads them, each in a process of its own that may come to harm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cachat::testing::{TinySpec, pdf, write_tiny_gguf};

struct Place(tempfile::TempDir);

impl Place {
    fn new(context: usize) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let spec = TinySpec {
            context,
            ..TinySpec::llama()
        };
        write_tiny_gguf(folder.path().join("tiny.gguf"), &spec).unwrap();
        Place(folder)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `cachat ask --file FILE … "What?"`.
    fn ask(&self, file: &Path, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cachat"))
            .env("CACHAT_HOME", self.0.path())
            .env("CACHAT_TEST_CONVERT_SECONDS", "3")
            .args([
                "ask",
                "--threads",
                "1",
                "--window",
                "8",
                "--max-tokens",
                "2",
            ])
            .arg("--model")
            .arg(self.0.path().join("tiny.gguf"))
            .arg("--file")
            .arg(file)
            .args(more)
            .arg("What?")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What is said about a file that cannot be read.
    fn refusal(&self, file: &Path) -> String {
        let output = self.ask(file, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "one message: {said}");
        said
    }

    fn prompt_tokens(&self, file: &Path) -> u64 {
        let output = self.ask(file, &["--json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        record["prompt_tokens"].as_u64().unwrap()
    }
}

#[test]
fn a_part_of_a_pdf_is_less_to_read() {
    let place = Place::new(4096);
    let page = "some words of a page that goes on and on\n".repeat(12);
    let file = place.file("report.pdf", pdf::document(&[&page, &page, &page]));
    let whole = place.prompt_tokens(&file);
    let part = place.prompt_tokens(&place.0.path().join("report.pdf#2-3"));
    assert!(
        part * 10 > whole * 6 && part * 10 < whole * 8,
        "{part} of {whole}"
    );
    let said = place.refusal(&place.0.path().join("report.pdf#7"));
    assert!(said.contains("3 pages only"), "{said}");
}

#[test]
fn what_does_not_fit_is_refused_with_figures_and_a_way_out() {
    let place = Place::new(1024);
    let page = "some words of a page that goes on and on\n".repeat(4);
    let pages = vec![page.as_str(); 40];
    let file = place.file("long.pdf", pdf::document(&pages));
    let said = place.refusal(&file);
    for part in [
        "more than the model's context of 1,024",
        "larger --budget",
        "--model",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // The part that is offered does fit.
    let from = said.find("long.pdf#1-").unwrap();
    let name: String = said[from..].chars().take_while(|c| *c != '\'').collect();
    place.prompt_tokens(&place.0.path().join(name));
}

#[test]
fn hostile_files_end_in_a_message() {
    let place = Place::new(1024);
    let begun = Instant::now();
    let bomb = place.file("bomb.pdf", pdf::bomb(3 << 30));
    let said = place.refusal(&bomb);
    assert!(
        said.contains("unfolds to more than") || said.contains("more than a minute"),
        "{said}"
    );
    // Each drawing draws itself ten times.
    let form =
        "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>";
    let circle = pdf::stream(form, "/X Do ".repeat(10).as_bytes());
    let circle = place.file("circle.pdf", pdf::file(&pdf::objects(&[circle]), ""));
    let said = place.refusal(&circle);
    assert!(said.contains("circle.pdf"), "{said}");
    // A tower of elements, higher than any stack.
    let deep = format!("<html><p>text{}", "<div><b><i>".repeat(300_000));
    let deep = place.file("deep.html", deep);
    let output = place.ask(&deep, &[]);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{:?}",
        output.status
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !said.contains("internal error") && !said.contains("overflow"),
        "{said}"
    );
    let locked = place.file("locked.pdf", pdf::locked());
    assert!(place.refusal(&locked).contains("asks for a password"));
    let word = place.file("letter.docx", b"PK\x03\x04\x14\0word/document.xml");
    assert!(
        place
            .refusal(&word)
            .contains("is a Word document; save it as PDF")
    );
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(240), "took {took:?}");
    let logs = std::fs::read_dir(place.0.path().join("logs"));
    let names = logs.into_iter().flatten().flatten().map(|e| e.file_name());
    let crashes = names.filter(|name| name.to_string_lossy().starts_with("crash"));
    assert_eq!(crashes.count(), 0, "a file's fault is none of ours");
}
