//! `cachat models`: what is on this machine and what can be fetched.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::progress::Meter;
use super::safe::{name as name_of, write_json, write_json_pretty};
use crate::dirs::Dirs;
use crate::model::family;
use crate::model::source::known::{DEFAULT, KNOWN};
use crate::model::source::local::{self, size};
use crate::model::source::{ModelSpec, resolve};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat models
  cachat models --fetch qwen2.5-0.5b
  cachat --model qwen2.5-0.5b")]
pub struct ModelsArgs {
    /// Fetch a model now: a name of the list, or OWNER/REPO:FILE of the Hub
    #[arg(long, value_name = "NAME")]
    pub fetch: Option<String>,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Here {
    name: String,
    path: PathBuf,
    bytes: u64,
}

#[derive(Serialize)]
struct Fetchable {
    name: &'static str,
    repo: &'static str,
    file: &'static str,
    megabytes: u32,
}

#[derive(Serialize)]
struct Listing {
    folder: PathBuf,
    default: &'static str,
    here: Vec<Here>,
    fetchable: Vec<Fetchable>,
}

/// Fetches, or prints the table.
pub fn run(args: ModelsArgs, dirs: &Dirs) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    if let Some(name) = &args.fetch {
        let mut meter = Meter::new();
        let found = resolve(&ModelSpec::parse(name), dirs, &mut |p| meter.show(&p))?;
        drop(meter);
        if args.json {
            let bytes = size(&found.path);
            let (name, path) = (found.name, found.path);
            write_json(&mut out, &Here { name, path, bytes })?;
        } else {
            writeln!(out, "{}", name_of(&found.path.to_string_lossy()))?;
        }
        return Ok(());
    }
    let listing = list(dirs);
    if args.json {
        return write_json_pretty(&mut out, &listing);
    }
    writeln!(out, "On this machine")?;
    if listing.here.is_empty() {
        writeln!(
            out,
            "  none yet; the default is fetched when it is first used"
        )?;
    }
    let width = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
    let column = width(&mut listing.here.iter().map(|model| model.name.len()));
    for model in &listing.here {
        let mega = model.bytes as f64 / 1e6;
        let path = name_of(&model.path.to_string_lossy());
        let name = name_of(&model.name);
        writeln!(out, "  {name:column$}  {mega:>8.1} MB  {path}")?;
    }
    writeln!(
        out,
        "\nCan be fetched (cachat models --fetch NAME, or just --model NAME)"
    )?;
    let column = width(&mut listing.fetchable.iter().map(|model| model.name.len()));
    for model in &listing.fetchable {
        let mark = if model.name == DEFAULT.name {
            "  (default)"
        } else {
            ""
        };
        let (mega, repo, file) = (model.megabytes, model.repo, model.file);
        writeln!(
            out,
            "  {:column$}  {mega:>5} MB  {repo}:{file}{mark}",
            model.name
        )?;
    }
    writeln!(
        out,
        "\nAny GGUF file of these architectures works:\n  {}\n--model PATH, or --model \
         OWNER/REPO:FILE from the Hub. Files put into {} are found by name.",
        family::names(),
        name_of(&listing.folder.to_string_lossy())
    )?;
    Ok(())
}

/// Names that `--model` takes, each with a word on it.
pub(super) fn names(dirs: &Dirs) -> Vec<(String, String)> {
    let listing = list(dirs);
    let here = listing.here.into_iter().map(|m| {
        let hint = format!("{:.0} MB, here", m.bytes as f64 / 1e6);
        (m.name, hint)
    });
    let fetched = listing.fetchable.into_iter().map(|m| {
        let hint = format!("{} MB to fetch from {}", m.megabytes, m.repo);
        (m.name.to_owned(), hint)
    });
    here.chain(fetched).collect()
}

fn list(dirs: &Dirs) -> Listing {
    let mut here: Vec<Here> = Vec::new();
    let mut fetchable = Vec::new();
    for known in KNOWN {
        match local::known_file(&known, dirs) {
            Some(path) => here.push(Here {
                name: known.name.to_string(),
                bytes: size(&path),
                path,
            }),
            None => fetchable.push(Fetchable {
                name: known.name,
                repo: known.repo,
                file: known.file,
                megabytes: known.megabytes,
            }),
        }
    }
    // The folder's other files, those of its repositories' folders, and the Hugging Face cache.
    let mut others = local::gguf_files(&dirs.models);
    for folder in folders(&dirs.models) {
        others.extend(local::gguf_files(&folder));
    }
    for repo in local::hub_cache()
        .into_iter()
        .flat_map(|cache| folders(&cache))
    {
        for snapshot in folders(&repo.join("snapshots")) {
            others.extend(local::gguf_files(&snapshot));
        }
    }
    for path in others {
        if !here.iter().any(|model| model.path == path) {
            let found = local::named(path);
            here.push(Here {
                name: found.name,
                bytes: size(&found.path),
                path: found.path,
            });
        }
    }
    Listing {
        folder: dirs.models.clone(),
        default: DEFAULT.name,
        here,
        fetchable,
    }
}

/// The visible folders in a folder, by name.
fn folders(folder: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}
