//! `cachat eval`: what policies cost, over data files, made tasks and texts of one's own.

mod args;
mod conditions;
mod meter;

use std::io::Write;

use super::CliError;
use crate::dirs::Dirs;
use crate::engine::session::Model;
use crate::eval::plan::{Item, Plan};
use crate::eval::runner::Runner;
use crate::eval::texts::{Follower, Passage, Texts};
use crate::eval::{EvalError, Key, Record, Store, Summary, TEXT, Variant, plots};
use crate::model::thinking::{Effort, Enable, Thinking};
pub use args::EvalArgs;
use conditions::conditions;
use meter::Meter;

/// Evaluates and prints.
pub fn run(args: EvalArgs, dirs: &Dirs) -> Result<(), CliError> {
    let args = args.filled();
    let settings = args.settings(dirs)?;
    if args.files.is_empty() && args.tasks.is_empty() && args.text.is_empty() {
        let wrong = "there is nothing to ask: name data files, --tasks, --text or --quick";
        return Err(CliError::usage(wrong));
    }
    let variants = args.variants(&settings)?;
    let documents = args.texts()?;
    let model = super::load::model(&settings, dirs)?;
    model.template.set_thinking(Thinking {
        enable: Enable::Off,
        effort: Effort::Auto,
    });
    // A template that tells the date tells the same one in every run.
    model.template.began_at(chrono::DateTime::UNIX_EPOCH.into());
    let plan = args.plan(&model, &documents)?;
    let (texts, passages) = args.passages(&model, &documents)?;
    // Before the rows are looked at: a file that changes in between is found by its rows.
    let conditions = conditions(&args, &settings, &model, &variants, &documents)?;
    let items = plan.items(&model.tokenizer)?;
    if items.is_empty() && passages.is_empty() {
        return Err(CliError::failed("the data files have no rows"));
    }
    let store = match &args.out {
        Some(folder) => Some(Store::open(folder, &conditions, args.resume)?),
        None => None,
    };
    let work = Work {
        args: &args,
        model: &model,
        variants: &variants,
        plan: &plan,
        items: &items,
        texts: &texts,
        passages: &passages,
    };
    let records = work.answers(store)?;
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
    write!(out, "{table}")?;
    if args.quick {
        write!(out, "{}", super::safe::shown(&crate::eval::bars(&summary)))?;
    }
    Ok(())
}

/// What a run works on.
struct Work<'a> {
    args: &'a EvalArgs,
    model: &'a Model,
    variants: &'a [Variant],
    plan: &'a Plan,
    items: &'a [Item],
    texts: &'a Texts,
    passages: &'a [Passage],
}

impl Work<'_> {
    /// All answers, in the order of the table; those that a store has are not given again.
    fn answers(&self, store: Option<Store>) -> Result<Vec<Record>, CliError> {
        let mut run = Run {
            meter: Meter::new(self.items.len() * self.args.mode.len() + self.passages.len()),
            store,
            records: Vec::new(),
        };
        for &mode in &self.args.mode {
            let runner = Runner {
                model: self.model,
                variants: self.variants,
                mode,
                most: self.args.max_length.unwrap_or(usize::MAX),
            };
            for item in self.items {
                let keys = self.keys(&item.id, mode.name(), item.questions);
                run.take(&item.dataset, &keys, &mut |meter| {
                    let sample = self.plan.sample(item, &self.model.tokenizer)?;
                    runner.run(&sample, meter)
                })?;
            }
        }
        let follower = Follower {
            model: self.model,
            variants: self.variants,
            follow: self.args.follow,
        };
        for passage in self.passages {
            let keys = self.keys(&passage.id, TEXT, 1);
            run.take(&passage.dataset, &keys, &mut |meter| {
                follower.run(passage, &self.texts.tokens(passage), meter)
            })?;
        }
        Ok(run.records)
    }

    /// Of all answers to a sample's questions.
    fn keys(&self, sample: &str, mode: &str, questions: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        for variant in self.variants {
            keys.extend((0..questions).map(|question| Key {
                sample: sample.into(),
                mode: mode.into(),
                policy: variant.policy().into(),
                budget: variant.budget(),
                question,
            }));
        }
        keys
    }
}

/// A run on its way.
struct Run {
    meter: Meter,
    store: Option<Store>,
    records: Vec<Record>,
}

/// Answers a sample; `None` when it was stopped.
type Give<'g> = dyn FnMut(&mut Meter) -> Result<Option<Vec<Record>>, EvalError> + 'g;

impl Run {
    /// Takes a sample's answers: the store's where it has them all, else those that are given.
    fn take(&mut self, set: &str, keys: &[Key], give: &mut Give<'_>) -> Result<(), CliError> {
        let store = self.store.as_ref();
        let known: Option<Vec<Record>> =
            store.and_then(|store| keys.iter().map(|key| store.get(key)).collect());
        let was_known = known.is_some();
        let answered = match known {
            Some(known) => known,
            None => {
                self.meter.begin(set);
                let Some(found) = give(&mut self.meter)? else {
                    self.meter.clear();
                    if self.store.is_some() {
                        let hint = "cachat: the answers so far are kept; go on with --resume";
                        let _ = writeln!(std::io::stderr(), "{hint}");
                    }
                    return Err(CliError::Interrupted);
                };
                found
            }
        };
        self.meter.done(was_known);
        if let Some(store) = self.store.as_mut().filter(|_| !was_known) {
            store.add(answered.clone())?;
        }
        self.records.extend(answered);
        Ok(())
    }
}
