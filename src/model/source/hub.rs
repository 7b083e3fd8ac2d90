//! Files from the Hugging Face Hub, on a thread of its own, which is given up when it does not
//! answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use hf_hub::Cache;
use hf_hub::api::sync::ApiBuilder;

use super::client::Client;
use super::download::{Fetched, Step, choose, download};
use super::known::{Known, Pin};
use super::miss::Miss;
use super::stores::hugging_face::{self, Slot, own_folder};
use super::{Progress, local, verify};
use crate::dirs::Dirs;
use crate::model::gguf::split::{self, PartName};

/// How long the Hub may take until the first sign of the file.
const FIRST: Duration = Duration::from_secs(10);
/// How long a running download may stand still.
const STALL: Duration = Duration::from_secs(45);

enum Said<T> {
    Step(Step),
    End(Result<T, Miss>),
}

/// Fetches `file` of `repo` (without one, the best of its GGUF files) into the Hugging Face cache, and
/// the model's other parts where it is one of several.
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
    let place = Place::new(repo, dirs)?;
    let pin = known.and_then(|known| known.pin);
    let end = fetch_to(&place, repo, file, pin, dirs, progress);
    match &end {
        Ok(_) => {
            let _ = std::fs::remove_dir_all(&place.staging);
        }
        Err(_) => place.leave(),
    }
    end
}

/// The same, to that place.
fn fetch_to(
    place: &Place,
    repo: &str,
    file: Option<&str>,
    pin: Option<Pin>,
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Miss> {
    let name = match file {
        Some(file) => file.to_string(),
        None => chosen(repo, &place.staging, progress)?,
    };
    let name = missing(repo, name, place, dirs);
    let target = fetch_one(repo, &name, pin, place, dirs, progress)?;
    if let Some(part) = PartName::of(&name) {
        // What is beside it has been checked.
        let others = part.all().into_iter().filter(|other| *other != name);
        for other in others.filter(|other| !beside(&target, other).is_file()) {
            fetch_one(repo, &other, None, place, dirs, progress)?;
        }
    }
    Ok(split::paths(&target).swap_remove(0))
}

/// What to begin with: of a model in parts the first that is not here. Whether the others are of the
/// same revision is seen by where this one comes to lie.
fn missing(repo: &str, name: String, place: &Place, dirs: &Dirs) -> String {
    let cache = place.cache.iter();
    let snapshots: Vec<PathBuf> = cache
        .flat_map(|cache| hugging_face::snapshots(cache, repo))
        .collect();
    let is_here = |name: &String| {
        let mut cached = snapshots.iter().map(|snapshot| snapshot.join(name));
        cached.any(|path| path.is_file()) || local::fetched_path(repo, name, dirs).is_file()
    };
    let parts = PartName::of(&name).map(|part| part.all());
    let mut parts = parts.unwrap_or_default().into_iter();
    parts.find(|part| !is_here(part)).unwrap_or(name)
}

/// Where the part of that name of the same model lies.
fn beside(target: &Path, name: &str) -> PathBuf {
    target.with_file_name(name.rsplit('/').next().unwrap_or(name))
}

/// Where a download grows, apart from all models, and the cache in which it is kept.
struct Place {
    staging: PathBuf,
    /// `None` = the app's own folder.
    cache: Option<PathBuf>,
}

impl Place {
    /// In the Hugging Face cache, where other tools find it; in the app's folder where nothing can
    /// be written there.
    fn new(repo: &str, dirs: &Dirs) -> Result<Place, Miss> {
        if let Some(cache) = hugging_face::cache() {
            let folder = hugging_face::folder(&cache, repo);
            let staging = folder.join(".fetch");
            if own_folder(&folder)
                .and_then(|()| own_folder(&staging))
                .is_ok()
            {
                let cache = Some(cache);
                return Ok(Place { staging, cache });
            }
        }
        let staging = dirs.models.join(".fetch");
        folder(&staging)?;
        Ok(Place {
            staging,
            cache: None,
        })
    }

    /// After a failure: takes away the folders that were made, where they are empty.
    fn leave(&self) {
        let _ = std::fs::remove_dir(&self.staging);
        if let Some(folder) = self.staging.parent() {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Puts a checked file where it is found from now on.
    fn take(&self, repo: &str, fetched: &Fetched, dirs: &Dirs) -> Result<PathBuf, Miss> {
        let said = fetched.commit.as_deref().zip(fetched.sha256.as_deref());
        let slot = self.cache.as_deref().zip(said).and_then(|(cache, said)| {
            let (commit, hash) = said;
            Slot::new(cache, repo, commit, hash, &fetched.name)
        });
        if let Some(path) = slot.and_then(|slot| slot.take(&fetched.path).ok()) {
            return Ok(path);
        }
        let target = local::fetched_path(repo, &fetched.name, dirs);
        if let Some(inner) = target.parent() {
            folder(inner)?;
        }
        // Takes the place of a link, and does not follow it.
        let moved = std::fs::rename(&fetched.path, &target).or_else(|error| match error.kind() {
            std::io::ErrorKind::CrossesDevices => copied(&fetched.path, &target),
            _ => Err(error),
        });
        moved.map_err(|error| Miss::Unwritable(dirs.models.clone(), error))?;
        Ok(target)
    }
}

/// To another disk, whole or not at all.
fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    let fresh = to.with_added_extension("new");
    let done = std::fs::copy(from, &fresh).and_then(|_| std::fs::rename(&fresh, to));
    if done.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    done
}

fn folder(folder: &Path) -> Result<(), Miss> {
    own_folder(folder).map_err(|error| Miss::Unwritable(folder.to_path_buf(), error))
}

/// Fetches one file; gives where it is.
fn fetch_one(
    repo: &str,
    file: &str,
    pin: Option<Pin>,
    place: &Place,
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Miss> {
    let staging = &place.staging;
    let mut fetched = run(repo, file, pin, staging, progress)?;
    let mut problem = check(&fetched, progress)?;
    if problem.is_some() && fetched.resumed {
        // What an earlier download left may be what is wrong.
        discard(&fetched.path)?;
        fetched = run(repo, file, pin, staging, progress)?;
        problem = check(&fetched, progress)?;
    }
    if let Some(problem) = problem {
        let _ = std::fs::remove_dir_all(staging);
        return Err(Miss::Corrupt(problem));
    }
    place.take(repo, &fetched, dirs)
}

/// What is wrong with a whole download; `None` = nothing.
fn check(fetched: &Fetched, progress: &mut dyn FnMut(Progress)) -> Result<Option<String>, Miss> {
    let what = format!("checking {}", fetched.name);
    let seen = verify::file(&fetched.path, &what, progress)
        .map_err(|error| Miss::Unwritable(fetched.path.clone(), error))?;
    let bytes = Some(fetched.bytes);
    Ok(verify::problem(&seen, bytes, fetched.sha256.as_deref()))
}

fn discard(path: &Path) -> Result<(), Miss> {
    std::fs::remove_file(path).map_err(|error| Miss::Unwritable(path.to_path_buf(), error))
}

/// The best of a repository's files.
fn chosen(repo: &str, staging: &Path, progress: &mut dyn FnMut(Progress)) -> Result<String, Miss> {
    let client = Client::new(&endpoint(staging)?, token())?;
    let what = format!("fetching {repo} from the Hub");
    let repo = repo.to_string();
    watched(&what, move |_| choose(&client, &repo), progress)
}

/// One download.
fn run(
    repo: &str,
    file: &str,
    pin: Option<Pin>,
    staging: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fetched, Miss> {
    let client = Client::new(&endpoint(staging)?, token())?;
    let what = format!("fetching {file} from the Hub");
    let (repo, file) = (repo.to_string(), file.to_string());
    let staging = staging.to_path_buf();
    watched(
        &what,
        move |tell| {
            let end = download(&client, &repo, &file, pin, &staging, tell);
            if let Err(Miss::Corrupt(_)) = end {
                let _ = std::fs::remove_dir_all(&staging);
            }
            end
        },
        progress,
    )
}

/// Talks to the Hub on a thread of its own.
fn watched<T: Send + 'static>(
    what: &str,
    work: impl FnOnce(&mut dyn FnMut(Step) -> bool) -> Result<T, Miss> + Send + 'static,
    progress: &mut dyn FnMut(Progress),
) -> Result<T, Miss> {
    let (says, said) = channel();
    let work = move || {
        let end = work(&mut |step| says.send(Said::Step(step)).is_ok());
        // Nobody listens any more where it took too long.
        let _ = says.send(Said::End(end));
    };
    std::thread::Builder::new()
        .name("hub".into())
        .spawn(work)
        .map_err(|error| Miss::Elsewhere(error.to_string()))?;
    listen(&said, what, progress)
}

fn listen<T>(
    said: &Receiver<Said<T>>,
    what: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<T, Miss> {
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
            Ok(Said::Step(Step::Size(size))) => (total, limit) = (Some(size), STALL),
            Ok(Said::Step(Step::Done(done))) => report(done, total),
            Ok(Said::End(end)) => return end,
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

/// Where the Hub is.
fn endpoint(staging: &Path) -> Result<String, Miss> {
    let set = std::env::var("HF_ENDPOINT").ok();
    if let Some(endpoint) = set.filter(|url| !url.trim().is_empty()) {
        return Ok(endpoint.trim().to_string());
    }
    // The library knows; it says so by the address of a file.
    let api = ApiBuilder::from_cache(Cache::new(staging.to_path_buf()))
        .with_token(None)
        .with_progress(false)
        .build()
        .map_err(|error| Miss::said(&error.to_string()))?;
    let url = api.model(String::new()).url("");
    let end = url.find("//resolve/").unwrap_or(url.len());
    Ok(url[..end].to_string())
}

/// The user's token, from where the Hub's own tools keep it.
fn token() -> Option<String> {
    std::env::var("HF_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty())
        .or_else(|| std::env::var("HUGGING_FACE_HUB_TOKEN").ok())
        .filter(|token| !token.trim().is_empty())
        .or_else(hugging_face::token)
        .map(|token| token.trim().to_string())
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_the_hub_is() {
        let endpoint = endpoint(Path::new("/nowhere")).unwrap();
        assert!(Client::new(&endpoint, None).is_ok(), "{endpoint}");
        assert!(!endpoint.contains("resolve"), "{endpoint}");
    }
}
