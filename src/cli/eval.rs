//! `cachat eval`: what policies cost, over data files and made tasks.

mod args;
mod conditions;
mod meter;

use std::io::Write;

use super::CliError;
use crate::dirs::Dirs;
use crate::engine::session::Model;
use crate::eval::plan::{Item, Plan};
use crate::eval::runner::Runner;
use crate::eval::{Key, Mode, Record, Store, Summary, Variant, plots};
use crate::model::thinking::{Effort, Enable, Thinking};
pub use args::EvalArgs;
use conditions::conditions;
use meter::Meter;

/// Evaluates and prints.
pub fn run(args: EvalArgs, dirs: &Dirs) -> Result<(), CliError> {
    let args = args.filled();
    let settings = args.settings(dirs)?;
    if args.files.is_empty() && args.tasks.is_empty() {
        let wrong = "there is nothing to ask: name data files, --tasks or --quick";
        return Err(CliError::usage(wrong));
    }
    let variants = args.variants(&settings)?;
    let model = super::load::model(&settings, dirs)?;
    model.template.set_thinking(Thinking {
        enable: Enable::Off,
        effort: Effort::Auto,
    });
    // A template that tells the date tells the same one in every run.
    model.template.began_at(chrono::DateTime::UNIX_EPOCH.into());
    let plan = args.plan(&model)?;
    // Before the rows are looked at: a file that changes in between is found by its rows.
    let conditions = conditions(&args, &settings, &model, &variants)?;
    let items = plan.items(&model.tokenizer)?;
    if items.is_empty() {
        return Err(CliError::failed("the data files have no rows"));
    }
    let store = match &args.out {
        Some(folder) => Some(Store::open(folder, &conditions, args.resume)?),
        None => None,
    };
    let records = answers(&args, &model, &variants, (&plan, &items), store)?;
    let summary = Summary::of(&records);
    let table = super::safe::shown(&crate::eval::markdown(&summary));
    if let Some(folder) = &args.out {
        let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
        let drawn = plots(&records, &summary).map_err(|e| failed(&e))?;
        let texts = drawn
            .into_iter()
            .chain([("table.md".into(), table.clone())]);
        for (name, text) in texts {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .map_err(|e| failed(&format!("{} cannot be written: {e}", path.display())))?;
        }
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut report = serde_json::to_value(&summary)?;
        report["conditions"] = conditions;
        return super::safe::write_json(&mut out, &report);
    }
    Ok(write!(out, "{table}")?)
}

/// All answers, in the order of the table; those that a store has are not given again.
fn answers(
    args: &EvalArgs,
    model: &Model,
    variants: &[Variant],
    (plan, items): (&Plan, &[Item]),
    mut store: Option<Store>,
) -> Result<Vec<Record>, CliError> {
    let mut meter = Meter::new(items.len() * args.mode.len());
    let mut records = Vec::new();
    for &mode in &args.mode {
        let runner = Runner {
            model,
            variants,
            mode,
            most: args.max_length.unwrap_or(usize::MAX),
        };
        for item in items {
            let known = store
                .as_ref()
                .and_then(|store| kept(store, item, variants, mode));
            let was_known = known.is_some();
            let answered = match known {
                Some(known) => known,
                None => {
                    meter.begin(&item.dataset);
                    let sample = plan.sample(item, &model.tokenizer)?;
                    let Some(found) = runner.run(&sample, &mut meter)? else {
                        meter.clear();
                        if args.out.is_some() {
                            let hint = "cachat: the answers so far are kept; go on with --resume";
                            let _ = writeln!(std::io::stderr(), "{hint}");
                        }
                        return Err(CliError::Interrupted);
                    };
                    found
                }
            };
            meter.done(was_known);
            if let Some(store) = store.as_mut().filter(|_| !was_known) {
                store.add(answered.clone())?;
            }
            records.extend(answered);
        }
    }
    Ok(records)
}

/// The sample's answers, where the store has them all.
fn kept(store: &Store, item: &Item, variants: &[Variant], mode: Mode) -> Option<Vec<Record>> {
    let mut keys = Vec::new();
    for variant in variants {
        for question in 0..item.questions {
            keys.push(Key {
                sample: item.id.clone(),
                mode: mode.name().into(),
                policy: variant.policy().into(),
                budget: variant.budget(),
                question,
            });
        }
    }
    keys.iter().map(|key| store.get(key)).collect()
}
