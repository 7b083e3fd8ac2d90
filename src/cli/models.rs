//! `cachat models`: what is on this machine, what can be fetched, and what fits.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::args::{EvictionArgs, settings};
use super::progress::Meter;
use super::safe::{name as name_of, write_json, write_json_pretty};
use crate::dirs::Dirs;
use crate::engine::catalogue::{Catalogue, Offer, TEXT};
use crate::engine::fit::Verdict;
use crate::human;
use crate::model::family;
use crate::model::source::files::size;
use crate::model::source::known::DEFAULT;
use crate::model::source::{ModelSpec, resolve};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat models
  cachat models --fetch qwen3-0.6b
  cachat --model ollama:qwen3:0.6b
  cachat models --json | jq -r '.here[] | select(.fits == \"fits\") | .name'")]
pub struct ModelsArgs {
    /// Fetch a model now: a name of the list, or OWNER/REPO:FILE of the Hub
    #[arg(long, value_name = "NAME")]
    pub fetch: Option<String>,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub eviction: EvictionArgs,
}

#[derive(Serialize)]
struct Fetched {
    name: String,
    path: PathBuf,
    bytes: u64,
}

#[derive(Serialize)]
struct Here<'a> {
    name: &'a str,
    origin: &'static str,
    path: Option<&'a PathBuf>,
    bytes: u64,
    architecture: &'a str,
    context: usize,
    #[serde(flatten)]
    room: Room<'a>,
}

#[derive(Serialize)]
struct Fetchable<'a> {
    name: &'a str,
    repo: &'static str,
    file: &'static str,
    megabytes: u32,
    architecture: &'a str,
    context: usize,
    #[serde(flatten)]
    room: Room<'a>,
}

#[derive(Serialize)]
struct Room<'a> {
    /// What it takes for a text of `TEXT` tokens at the budget.
    memory_bytes: Option<u64>,
    fits: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
}

impl<'a> Room<'a> {
    fn of(offer: &'a Offer) -> Room<'a> {
        Room {
            memory_bytes: offer.need.map(|need| need.total()),
            fits: offer.verdict,
            trouble: offer.trouble.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Listing<'a> {
    folder: &'a PathBuf,
    default: &'static str,
    here: Vec<Here<'a>>,
    fetchable: Vec<Fetchable<'a>>,
    notes: &'a [String],
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
            write_json(&mut out, &Fetched { name, path, bytes })?;
        } else {
            writeln!(out, "{}", name_of(&found.path.to_string_lossy()))?;
        }
        return Ok(());
    }
    let settings = settings(
        dirs,
        &super::args::ModelArgs::default(),
        Some(&args.eviction),
        None,
        None,
    )?;
    let catalogue = Catalogue::read(dirs, super::load::terms(&settings));
    match args.json {
        true => write_json_pretty(&mut out, &listing(&catalogue, dirs)),
        false => table(&mut out, &catalogue, dirs),
    }
}

fn listing<'a>(catalogue: &'a Catalogue, dirs: &'a Dirs) -> Listing<'a> {
    let (mut here, mut fetchable) = (Vec::new(), Vec::new());
    for offer in &catalogue.offers {
        let (name, room) = (offer.name.as_str(), Room::of(offer));
        let (architecture, context) = (offer.architecture.as_str(), offer.context);
        match (offer.origin, offer.known) {
            (Some(origin), _) => here.push(Here {
                name,
                origin: origin.name(),
                path: offer.path.as_ref(),
                bytes: offer.bytes,
                architecture,
                context,
                room,
            }),
            (None, Some(known)) => fetchable.push(Fetchable {
                name,
                repo: known.repo,
                file: known.file,
                megabytes: known.megabytes,
                architecture,
                context,
                room,
            }),
            (None, None) => {}
        }
    }
    Listing {
        folder: &dirs.models,
        default: DEFAULT.name,
        here,
        fetchable,
        notes: &catalogue.notes,
    }
}

fn table(out: &mut impl Write, catalogue: &Catalogue, dirs: &Dirs) -> Result<(), CliError> {
    let (here, fetchable): (Vec<&Offer>, Vec<&Offer>) = catalogue
        .offers
        .iter()
        .partition(|offer| offer.origin.is_some());
    writeln!(
        out,
        "On this machine (memory for a text of {} tokens)",
        human::thousands(TEXT)
    )?;
    if here.is_empty() {
        writeln!(
            out,
            "  none yet; the default is fetched when it is first used"
        )?;
    }
    rows(out, &here)?;
    writeln!(
        out,
        "\nCan be fetched (cachat models --fetch NAME, or just --model NAME)"
    )?;
    rows(out, &fetchable)?;
    for note in &catalogue.notes {
        writeln!(out, "\nnot listed: {}", name_of(note))?;
    }
    writeln!(
        out,
        "\nAny GGUF file of these architectures works:\n  {}\n--model PATH, or --model \
         OWNER/REPO:FILE from the Hub. Files put into {} are found by name.",
        family::names(),
        name_of(&dirs.models.to_string_lossy())
    )?;
    Ok(())
}

/// A line each: name, who keeps it, family, size, context, memory, whether it fits.
fn rows(out: &mut impl Write, offers: &[&Offer]) -> Result<(), CliError> {
    let rows: Vec<[String; 7]> = offers.iter().map(|offer| row(offer)).collect();
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|i| width(i).unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::from(" ");
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match i {
                3..=5 => format!(" {cell:>width$} "),
                _ => format!(" {cell:width$} "),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(offer: &Offer) -> [String; 7] {
    let default = offer.known.is_some_and(|known| known.name == DEFAULT.name);
    let fits = match &offer.trouble {
        Some(why) => name_of(why).to_string(),
        None => offer.verdict.word().to_owned(),
    };
    let end = match (default, offer.trouble.is_some()) {
        (true, _) => format!("{fits} (default)"),
        (false, _) => fits,
    };
    [
        name_of(&offer.name).to_string(),
        offer.origin.map_or("", |origin| origin.name()).to_owned(),
        name_of(&offer.architecture).to_string(),
        human::bytes(offer.bytes),
        match offer.context {
            0 => String::new(),
            context => human::short(context),
        },
        offer
            .need
            .map_or_else(String::new, |need| human::bytes(need.total())),
        end,
    ]
}
