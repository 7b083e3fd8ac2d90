//! The log: a file, never the screen. It holds what ran and how it went (model, policy, figures,
//! errors) and nothing of what was said.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The file begins anew at this size; the one before it is kept beside it.
const LARGEST: u64 = 1 << 20;
const NAME: &str = "cachat.log";

/// How much is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Starts the log in the folder; the file is created with its first line.
pub fn start(level: Level, folder: &Path) {
    if level == Level::Off {
        return;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level.filter())
        .with_ansi(false)
        .with_target(false)
        .with_timer(Stamp)
        .with_writer(Log::new(folder))
        .finish();
    // A second call (tests) leaves the first one's in place.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Local time, and the process: several apps write to one file.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S%.3f");
        write!(w, "{now} [{}]", std::process::id())
    }
}

/// A file that never grows beyond [`LARGEST`].
struct Log {
    folder: PathBuf,
    open: Mutex<Option<File>>,
}

impl Log {
    fn new(folder: &Path) -> Log {
        Log {
            folder: folder.to_owned(),
            open: Mutex::new(None),
        }
    }

    fn line(&self, line: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = match &*open {
            Some(file) => file.metadata()?.len() >= LARGEST,
            None => false,
        };
        if full || open.is_none() {
            *open = Some(self.file()?);
        }
        match &mut *open {
            // One call, so that lines of two apps do not mix.
            Some(file) => file.write_all(line),
            None => Ok(()),
        }
    }

    fn file(&self) -> io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(NAME);
        if std::fs::metadata(&path).is_ok_and(|m| m.len() >= LARGEST) {
            std::fs::rename(&path, path.with_extension("old.log"))?;
        }
        OpenOptions::new().append(true).create(true).open(path)
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// One line. Where it cannot be written there is nowhere to say so: the screen is the app's.
struct Line<'a>(&'a Log);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_bounded_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let log = Log::new(&logs);
        assert!(!logs.exists(), "nothing is created before the first line");
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..3000 {
            log.make_writer().write_all(&line).unwrap();
        }
        let bytes = |name| std::fs::metadata(logs.join(name)).unwrap().len();
        assert!(bytes("cachat.log") <= LARGEST + 1024);
        assert!(bytes("cachat.old.log") <= LARGEST + 1024);
        assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        std::fs::write(&file, "").unwrap();
        assert!(Log::new(&file).make_writer().write_all(b"x\n").is_ok());
    }
}
