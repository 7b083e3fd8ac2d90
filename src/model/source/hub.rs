//! Files from the Hugging Face Hub, by way of `hf-hub`, which has no time limits: it runs on a
//! thread of its own, which is given up when it does not answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo};

use super::known::Known;
use super::miss::{Miss, is_disk};
use super::{Progress, local, verify};
use crate::dirs::Dirs;

/// How long the Hub may take until the first sign of the file.
const FIRST: Duration = Duration::from_secs(10);
/// How long a running download may stand still.
const STALL: Duration = Duration::from_secs(45);
/// Bytes between two reports.
const STEP: u64 = 256 * 1024;

enum Said {
    Size(u64),
    Done(u64),
    /// The downloaded blob (called by its hash), and the file's name in the repository.
    End(Result<(PathBuf, String), Failure>),
}

enum Failure {
    Text(String),
    Disk(std::io::Error),
}

/// Fetches `file` of `repo` (without one, the best of its GGUF files) into the model folder.
pub fn fetch(
    repo: &str,
    file: Option<&str>,
    known: Option<&Known>,
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Miss> {
    let offline = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
    if !matches!(
        offline.to_ascii_lowercase().as_str(),
        "" | "0" | "false" | "no" | "off"
    ) {
        return Err(Miss::Elsewhere("switched off by HF_HUB_OFFLINE".into()));
    }
    // A cache of our own: what lies in the models folder itself has been checked.
    let staging = dirs.models.join(".fetch");
    std::fs::create_dir_all(&staging).map_err(|error| Miss::Unwritable(staging.clone(), error))?;
    let (says, said) = channel();
    let work = {
        let (repo, file, staging) = (repo.to_string(), file.map(String::from), staging.clone());
        move || {
            let end = download(&repo, file, &staging, &says);
            // Nobody listens any more where it took too long.
            let _ = says.send(Said::End(end));
        }
    };
    std::thread::Builder::new()
        .name("hub".into())
        .spawn(work)
        .map_err(|error| Miss::Elsewhere(error.to_string()))?;
    let what = format!("fetching {} from the Hub", file.unwrap_or(repo));
    let (blob, name) = listen(&said, &what, &staging, progress)?;

    let mut sha256 = known
        .and_then(|known| known.pin)
        .map(|pin| pin.sha256.to_string());
    let bytes = known.and_then(|known| known.pin).map(|pin| pin.bytes);
    // The Hub names large files by their SHA-256, so others than the pinned are checked as well.
    let blob_name = blob.file_name().unwrap_or_default().to_string_lossy();
    if sha256.is_none() && blob_name.len() == 64 && blob_name.bytes().all(|b| b.is_ascii_hexdigit())
    {
        sha256 = Some(blob_name.into_owned());
    }
    let unwritable = |error| Miss::Unwritable(dirs.models.clone(), error);
    let seen = verify::file(&blob, &format!("checking {name}"), progress).map_err(unwritable)?;
    if let Some(problem) = verify::problem(&seen, bytes, sha256.as_deref()) {
        let _ = std::fs::remove_dir_all(&staging);
        return Err(Miss::Corrupt(problem));
    }
    let target = local::fetched_path(repo, &name, dirs);
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::rename(&blob, &target).map_err(unwritable)?;
    let _ = std::fs::remove_dir_all(&staging);
    Ok(target)
}

fn listen(
    said: &Receiver<Said>,
    what: &str,
    staging: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(PathBuf, String), Miss> {
    let mut report = |done, total| {
        progress(Progress {
            what: what.to_string(),
            done,
            total,
        });
    };
    report(0, None);
    let (mut limit, mut total) = (FIRST, None);
    loop {
        match said.recv_timeout(limit) {
            Ok(Said::Size(size)) => (total, limit) = (Some(size), STALL),
            Ok(Said::Done(done)) => report(done, total),
            Ok(Said::End(Ok(blob))) => return Ok(blob),
            Ok(Said::End(Err(Failure::Disk(error)))) => {
                return Err(Miss::Unwritable(staging.to_path_buf(), error));
            }
            Ok(Said::End(Err(Failure::Text(why)))) => return Err(Miss::Elsewhere(why)),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Miss::Elsewhere(format!(
                    "no answer within {} seconds{}",
                    limit.as_secs(),
                    match total {
                        Some(_) => "; the part that came is kept and will be resumed",
                        None => "",
                    }
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Miss::Elsewhere("the download ended unexpectedly".into()));
            }
        }
    }
}

fn download(
    repo: &str,
    file: Option<String>,
    staging: &Path,
    says: &Sender<Said>,
) -> Result<(PathBuf, String), Failure> {
    let text = |error: ApiError| failure(&error);
    let api = api(staging).map_err(text)?;
    let handle = api.model(repo.to_string());
    let file = match file {
        Some(file) => file,
        None => {
            let info = handle.info().map_err(text)?;
            let mut names: Vec<String> = info.siblings.into_iter().map(|s| s.rfilename).collect();
            let best = local::best(&names).ok_or_else(|| {
                Failure::Text(format!("{repo} has no GGUF file that can be read"))
            })?;
            names.swap_remove(best)
        }
    };
    let run = || {
        let meter = Meter {
            says: says.clone(),
            done: 0,
            reported: 0,
        };
        handle.download_with_progress(&file, meter)
    };
    let pointer = match run() {
        // A part as long as the whole, or longer, cannot be resumed: start anew.
        Err(error) if cannot_resume(&error) => {
            let _ = std::fs::remove_dir_all(staging.join(Repo::model(repo.into()).folder_name()));
            run().map_err(text)?
        }
        other => other.map_err(text)?,
    };
    let blob = std::fs::canonicalize(pointer).map_err(Failure::Disk)?;
    Ok((blob, file))
}

fn api(staging: &Path) -> Result<Api, ApiError> {
    // The endpoint from HF_ENDPOINT, the token from where its own tools keep it.
    let token = std::env::var("HF_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty())
        .or_else(|| Cache::new(local::hub_cache()?).token());
    let mut builder = ApiBuilder::from_cache(Cache::new(staging.to_path_buf()));
    if let Some(endpoint) = std::env::var("HF_ENDPOINT")
        .ok()
        .filter(|url| !url.is_empty())
    {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_string());
    }
    builder
        .with_token(token)
        .with_progress(false)
        .with_retries(2)
        .with_user_agent("cachat", env!("CARGO_PKG_VERSION"))
        .build()
}

fn cannot_resume(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResume => true,
        ApiError::TooManyRetries(inner) => cannot_resume(inner),
        // The HTTP client's own error type is not ours to name.
        ApiError::RequestError(inner) => inner.to_string().contains("416"),
        _ => false,
    }
}

fn failure(error: &ApiError) -> Failure {
    match error {
        ApiError::IoError(io) if is_disk(io) => {
            Failure::Disk(std::io::Error::new(io.kind(), io.to_string()))
        }
        ApiError::TooManyRetries(inner) => failure(inner),
        ApiError::RequestError(inner) => Failure::Text(inner.to_string()),
        other => Failure::Text(other.to_string()),
    }
}

struct Meter {
    says: Sender<Said>,
    done: u64,
    reported: u64,
}

impl hf_hub::api::Progress for Meter {
    /// Also called when a broken download goes on; what is there already follows as an update.
    fn init(&mut self, size: usize, _: &str) {
        (self.done, self.reported) = (0, 0);
        let _ = self.says.send(Said::Size(size as u64));
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        if self.done >= self.reported + STEP {
            self.reported = self.done;
            let _ = self.says.send(Said::Done(self.done));
        }
    }

    fn finish(&mut self) {
        let _ = self.says.send(Said::Done(self.done));
    }
}
