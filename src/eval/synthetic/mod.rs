//! Tasks from seeds, at any length and with any tokenizer, as RULER (arXiv 2404.06654) defines them.

mod counting;
mod fit;
mod haystack;
mod made;
mod needle;
#[cfg(test)]
mod tests;
mod tracking;
mod words;

pub use haystack::Haystack;

use super::data::{Question, Sample};
use super::metric::{Metric, Rule};
use crate::model::tokenizer::{Tokenizer, TokenizerError};
use crate::random::Random;
use made::Made;
use needle::{Kind, Needles};

/// Tokens that a chat template may put around a prompt.
const TEMPLATE: usize = 64;

/// A task that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub name: &'static str,
    /// RULER's names of it, and others.
    pub aliases: &'static [&'static str],
    /// One line for help texts.
    pub about: &'static str,
    makes: Makes,
    max_tokens: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Makes {
    Needles(Needles),
    Tracking,
    Common,
    Frequent,
}

const ONE: Needles = Needles {
    keys: 1,
    values: 1,
    queries: 1,
    key: Kind::Words,
    value: Kind::Numbers,
    among_others: false,
};

const fn task(
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    makes: Makes,
    max_tokens: usize,
) -> Task {
    Task {
        name,
        aliases,
        about,
        makes,
        max_tokens,
    }
}

impl Task {
    /// Every task, in the order that people see. Answers have the tokens that RULER gives them, but for
    /// needles, whose answers are short: 128 would be spent on what comes behind them.
    pub const ALL: [Task; 11] = [
        task(
            "needle",
            &["niah", "niah_single_1", "niah_single_2", "single"],
            "a number somewhere in a text",
            Makes::Needles(ONE),
            24,
        ),
        task(
            "needle-words",
            &[],
            "two words somewhere in a text",
            Makes::Needles(Needles {
                value: Kind::Words,
                ..ONE
            }),
            24,
        ),
        task(
            "needle-uuids",
            &["niah_single_3"],
            "a UUID somewhere in a text",
            Makes::Needles(Needles {
                value: Kind::Uuids,
                ..ONE
            }),
            64,
        ),
        task(
            "multikey",
            &["niah_multikey_1"],
            "one number of four",
            Makes::Needles(Needles { keys: 4, ..ONE }),
            24,
        ),
        task(
            "multikey-lines",
            &["niah_multikey_2"],
            "one number in a text of nothing but such",
            Makes::Needles(Needles {
                among_others: true,
                ..ONE
            }),
            24,
        ),
        task(
            "multikey-uuids",
            &["niah_multikey_3"],
            "one UUID in a text of nothing but such",
            Makes::Needles(Needles {
                key: Kind::Uuids,
                value: Kind::Uuids,
                among_others: true,
                ..ONE
            }),
            64,
        ),
        task(
            "multivalue",
            &["niah_multivalue"],
            "four numbers under one key",
            Makes::Needles(Needles { values: 4, ..ONE }),
            64,
        ),
        task(
            "multiquery",
            &["niah_multiquery"],
            "four numbers under four keys",
            Makes::Needles(Needles {
                keys: 4,
                queries: 4,
                ..ONE
            }),
            96,
        ),
        task(
            "vt",
            &["variable-tracking"],
            "variables that got their value from each other",
            Makes::Tracking,
            30,
        ),
        task(
            "cwe",
            &["common-words"],
            "the ten words that come most often",
            Makes::Common,
            120,
        ),
        task(
            "fwe",
            &["frequent-words"],
            "the three most frequent of words with Zipf's frequencies",
            Makes::Frequent,
            50,
        ),
    ];

    /// The task of that name.
    pub fn named(name: &str) -> Option<Task> {
        let of = |task: &Task| task.name == name || task.aliases.contains(&name);
        Task::ALL.into_iter().find(of)
    }

    /// The set of its samples of this length.
    pub fn set(&self, length: usize) -> String {
        format!("{}-{length}", self.name)
    }

    /// What [`Task::make`] calls its sample.
    pub fn id(&self, length: usize, index: usize, seed: u64) -> String {
        format!("synthetic/{}/{seed}/{index}", self.set(length))
    }

    /// Sample `index` of this task, whose prompt and answer take `length` tokens at most, and nearly so
    /// many. The same arguments make the same sample.
    ///
    /// # Errors
    /// [`MakeError::Short`] where the task needs a longer text.
    pub fn make(
        &self,
        length: usize,
        index: usize,
        seed: u64,
        haystack: &Haystack,
        tokenizer: &Tokenizer,
    ) -> Result<Sample, MakeError> {
        let parts = [self.name, &length.to_string(), &index.to_string()];
        let random = || Random::of(seed, &parts);
        // Depths of single needles cover the text evenly, whatever the number of samples.
        let offset = f64::from(Random::of(seed, &[self.name, &length.to_string()]).unit());
        let depth = (offset + index as f64 * 0.618_033_988_749_895).fract();
        let made = |size: usize| match self.makes {
            Makes::Needles(needles) => needles.make(size, depth, haystack, &mut random()),
            Makes::Tracking => tracking::make(size, &mut random()),
            Makes::Common => counting::common(size, length, &mut random()),
            Makes::Frequent => counting::frequent(size, length, &mut random()),
        };
        let room = length.saturating_sub(self.max_tokens + TEMPLATE);
        let count = |made: &Made| -> Result<usize, TokenizerError> {
            let text = [made.context.as_str(), &made.question, &made.lead].concat();
            Ok(tokenizer.encode(&text, false)?.len())
        };
        let made = fit::longest(room, made, count)?.ok_or(MakeError::Short {
            task: self.name,
            length,
        })?;
        Ok(Sample {
            id: self.id(length, index, seed),
            task: self.name.into(),
            dataset: self.set(length),
            context: made.context,
            questions: vec![Question {
                text: made.question,
                lead: made.lead,
                answers: made.answers,
                classes: Vec::new(),
                rule: Rule::new(Metric::MatchAll, self.max_tokens),
            }],
            length: Some(length),
            depths: made.depths,
        })
    }
}

/// Why a sample cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("the task {task} does not fit into {length} tokens: ask for a longer --lengths")]
    Short { task: &'static str, length: usize },
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}
