//! HTML and PDF → text, where no file can do harm.
//!
//! The libraries that read such files were not written to be attacked: a file of a megabyte may
//! unfold to gigabytes, never end, nest until the stack is full or meet a bug. So the program runs
//! itself as a helper for each file (`aside.rs`); whatever happens to it, the app gets a text or one of the `Trouble`s. Where the helper
//! is not switched on (tests, other programs) a thread with a large stack does the work.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use super::converted::{Converted, TEXT_LIMIT, Trouble};
use super::excerpt::Excerpt;
use crate::aside::{self, Answer};

/// The program's first argument when it is the helper.
const ARGUMENT: &str = "internal-convert";
const TIME: Duration = Duration::from_secs(60);
/// A page takes some hundredths of a second for each MiB; elements within each other take time by the square
/// of their depth.
const TIME_OF_A_PAGE: Duration = Duration::from_secs(5);
const TIME_OF_A_MIB: Duration = Duration::from_secs(1);
const MEMORY: usize = 1 << 30;
const STACK: usize = 256 << 20;
/// Which reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// UTF-8 already.
    Html,
    Pdf,
}

/// How long reading so many bytes may take.
fn patience(format: Format, bytes: usize) -> Duration {
    let of_its_size = TIME_OF_A_MIB.saturating_mul((bytes >> 20) as u32);
    match format {
        Format::Html => TIME.min(TIME_OF_A_PAGE + of_its_size),
        Format::Pdf => TIME,
    }
}

/// The whole program, where it was started as the helper.
pub fn helper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    let format = match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some("html") => Format::Html,
        Some("pdf") => Format::Pdf,
        _ => return Some(ExitCode::FAILURE),
    };
    let part = arguments
        .next()
        .and_then(|text| Excerpt::parse(text.to_str()?));
    // Tests have less patience.
    let seconds = std::env::var("CACHAT_TEST_CONVERT_SECONDS").ok();
    let time = seconds
        .and_then(|s| s.parse().ok())
        .map_or(TIME, Duration::from_secs);
    aside::bound(time, MEMORY);
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    if patience(format, bytes.len()) < time {
        aside::bound(patience(format, bytes.len()), MEMORY);
    }
    let result = match read {
        Ok(_) => on_a_thread(format, bytes, part),
        Err(error) => Err(Trouble::Helper(error.to_string())),
    };
    let written = serde_json::to_writer(io::stdout().lock(), &result);
    Some(match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// The text of a file, within bounds.
///
/// # Errors
/// One of the `Trouble`s, whatever the bytes are.
pub fn convert(format: Format, bytes: &[u8], part: Option<Excerpt>) -> Result<Converted, Trouble> {
    match aside::helpers() {
        true => in_a_process(format, bytes, part)
            .unwrap_or_else(|error| Err(Trouble::Helper(error.to_string()))),
        false => on_a_thread(format, bytes.to_vec(), part),
    }
}

fn in_a_process(
    format: Format,
    bytes: &[u8],
    part: Option<Excerpt>,
) -> io::Result<Result<Converted, Trouble>> {
    let format = match format {
        Format::Html => "html",
        Format::Pdf => "pdf",
    };
    let part = part.map(|part| part.to_string());
    let mut arguments = vec![ARGUMENT, format];
    arguments.extend(part.as_deref());
    // Escaping doubles a text at most, but for control characters, which are none of ours.
    let limit = 2 * TEXT_LIMIT + 4096;
    match aside::call(&arguments, bytes, limit, &|| false)? {
        Answer::Ended(status, answer) => Ok(outcome(status, &answer, limit)),
        Answer::Stopped => Ok(Err(Trouble::Helper("it was stopped".into()))),
    }
}

/// What a helper's end means, of which at most `limit` bytes were read.
fn outcome(status: Option<i32>, answer: &[u8], limit: usize) -> Result<Converted, Trouble> {
    match status {
        // Whatever the status: where the pipe was closed on it, it ends as if it had failed.
        _ if answer.len() >= limit => Err(Trouble::TooMuchText),
        Some(0) => serde_json::from_slice(answer).unwrap_or(Err(Trouble::TooMuchText)),
        Some(code) if code == i32::from(aside::TOO_SLOW) => Err(Trouble::TooSlow),
        Some(code) if code == i32::from(aside::TOO_LARGE) => Err(Trouble::TooMuchMemory),
        // A full stack, no memory, a bug: it was this file's doing.
        _ => Err(Trouble::Damaged),
    }
}

fn on_a_thread(
    format: Format,
    bytes: Vec<u8>,
    part: Option<Excerpt>,
) -> Result<Converted, Trouble> {
    let work = move || {
        let read = move || match format {
            Format::Html => match super::html::text(&String::from_utf8_lossy(&bytes)) {
                text if text.len() > TEXT_LIMIT => Err(Trouble::TooMuchText),
                text => Ok(Converted { text, pages: None }),
            },
            Format::Pdf => super::pdf::text(bytes, part),
        };
        catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Trouble::Damaged))
    };
    let thread = std::thread::Builder::new()
        .name("convert".into())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| Trouble::Helper(error.to_string()))?;
    thread.join().unwrap_or(Err(Trouble::Damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_over_the_limit_is_too_much_text_however_the_helper_ends() {
        for status in [Some(0), Some(1), None] {
            assert_eq!(outcome(status, &[b'"'; 8], 8), Err(Trouble::TooMuchText));
        }
        assert_eq!(outcome(Some(1), b"", 8), Err(Trouble::Damaged));
        assert_eq!(outcome(Some(71), b"", 8), Err(Trouble::TooSlow));
    }

    #[test]
    fn a_page_is_read_for_seconds_and_only_pages_of_megabytes_for_longer() {
        let seconds = |format, mib: usize| patience(format, mib << 20).as_secs();
        assert_eq!(seconds(Format::Html, 0), 5);
        assert_eq!(seconds(Format::Html, 10), 15);
        assert_eq!(seconds(Format::Html, 64), 60);
        assert_eq!(seconds(Format::Pdf, 0), 60);
    }
}
