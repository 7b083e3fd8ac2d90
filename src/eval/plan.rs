//! Which samples a run has: of data files so many of each set, and synthetic ones. A run keeps their names
//! and places; a text is in memory while it is worked on.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::data::{DataError, Place, Prompts, Sample, read, read_at};
use super::error::EvalError;
use super::synthetic::{Haystack, Task};
use crate::model::tokenizer::Tokenizer;
use crate::random::Random;

/// Rows that are kept at most: their names take some hundred megabytes.
const ROWS: usize = 1 << 20;

/// A sample of a run, without its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: String,
    pub dataset: String,
    /// How many it has.
    pub questions: usize,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// In a file, by its index.
    Row(usize, Place),
    Made {
        task: Task,
        length: usize,
        index: usize,
    },
}

/// What samples come from.
pub struct Plan {
    pub files: Vec<PathBuf>,
    pub prompts: Prompts,
    pub tasks: Vec<Task>,
    pub lengths: Vec<usize>,
    pub haystack: Haystack,
    /// Samples of each set; nothing: all of a file's, ten of a task's.
    pub limit: Option<usize>,
    pub seed: u64,
}

/// Samples of each made task, unless it is said.
const MADE: usize = 10;

impl Plan {
    /// Everything that is asked, in the order of the table.
    ///
    /// # Errors
    /// A file that cannot be read, a wrong row, or a task that does not fit into a length.
    pub fn items(&self, tokenizer: &Tokenizer) -> Result<Vec<Item>, EvalError> {
        let mut all = self.of_files()?;
        all.extend(self.of_tasks(tokenizer)?);
        Ok(all)
    }

    /// An item's sample, read or made.
    ///
    /// # Errors
    /// As [`Plan::items`]; also where a file has changed since.
    pub fn sample(&self, item: &Item, tokenizer: &Tokenizer) -> Result<Sample, EvalError> {
        match item.source {
            Source::Row(file, place) => {
                let path = &self.files[file];
                let sample = read_at(path, place, &self.prompts)?;
                match sample.id == item.id && sample.questions.len() == item.questions {
                    true => Ok(sample),
                    false => {
                        let what = "it has changed since the run began".into();
                        Err(DataError::row(path, place.line, what).into())
                    }
                }
            }
            Source::Made {
                task,
                length,
                index,
            } => Ok(task.make(length, index, self.seed, &self.haystack, tokenizer)?),
        }
    }

    /// The rows of the files. Every one is looked at, so that a wrong one is found at once; of each set
    /// `limit` are kept, drawn by the seed (reservoir sampling), in the files' order.
    fn of_files(&self) -> Result<Vec<Item>, EvalError> {
        let mut all: Vec<Option<Item>> = Vec::new();
        // Of each set: how many came, and where those that are kept stand.
        let mut sets: HashMap<String, (usize, Vec<usize>)> = HashMap::new();
        let mut random = Random::of(self.seed, &["rows"]);
        for (file, path) in self.files.iter().enumerate() {
            read(path, Place::START, &self.prompts, &mut |sample, at| {
                if all.len() >= ROWS {
                    let what = format!("there are more than {ROWS} rows; take some by --limit");
                    return Err(DataError::row(path, at.line, what));
                }
                let (seen, kept) = sets.entry(sample.dataset.clone()).or_default();
                *seen += 1;
                let place = match self.limit {
                    Some(limit) if kept.len() >= limit => {
                        let drawn = random.below(*seen);
                        let Some(place) = kept.get_mut(drawn) else {
                            return Ok(true);
                        };
                        all[*place] = None;
                        place
                    }
                    _ => {
                        kept.push(0);
                        let last = kept.len() - 1;
                        &mut kept[last]
                    }
                };
                *place = all.len();
                all.push(Some(Item {
                    id: sample.id,
                    dataset: sample.dataset,
                    questions: sample.questions.len(),
                    source: Source::Row(file, at),
                }));
                Ok(true)
            })?;
        }
        let all: Vec<Item> = all.into_iter().flatten().collect();
        let mut known = HashSet::new();
        for item in &all {
            if let (false, Source::Row(file, place)) = (known.insert(&item.id), item.source) {
                let what =
                    "a row of another file has its set, line and name: rename the file".into();
                return Err(DataError::row(&self.files[file], place.line, what).into());
            }
        }
        Ok(all)
    }

    /// So many samples of each task at each length. The first of each is made here, so that a length that
    /// is too short is found at once.
    fn of_tasks(&self, tokenizer: &Tokenizer) -> Result<Vec<Item>, EvalError> {
        let mut all = Vec::new();
        for &task in &self.tasks {
            for &length in &self.lengths {
                task.make(length, 0, self.seed, &self.haystack, tokenizer)?;
                all.extend((0..self.limit.unwrap_or(MADE)).map(|index| Item {
                    id: task.id(length, index, self.seed),
                    dataset: task.set(length),
                    questions: 1,
                    source: Source::Made {
                        task,
                        length,
                        index,
                    },
                }));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(files: &[PathBuf], limit: Option<usize>, seed: u64) -> Plan {
        Plan {
            files: files.to_vec(),
            prompts: Prompts::default(),
            tasks: Vec::new(),
            lengths: Vec::new(),
            haystack: Haystack::Noise,
            limit,
            seed,
        }
    }

    fn row(i: usize) -> String {
        format!("{{\"context\": \"{i}\", \"questions\": [\"q\"], \"answers\": [\"a\"]}}\n")
    }

    fn tokenizer() -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        crate::testing::write_tiny_gguf(&path, &crate::testing::TinySpec::llama()).unwrap();
        Tokenizer::from_gguf(&crate::model::gguf::GgufFile::open(&path).unwrap()).unwrap()
    }

    #[test]
    fn a_limit_draws_rows_by_the_seed_and_finds_wrong_ones_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = [folder.path().join("a.jsonl")];
        let tokenizer = tokenizer();
        std::fs::write(&path[0], (0..50).map(row).collect::<String>()).unwrap();
        let drawn = |limit, seed| -> Vec<usize> {
            let plan = plan(&path, limit, seed);
            let items = plan.items(&tokenizer).unwrap();
            let samples = items.iter().map(|i| plan.sample(i, &tokenizer).unwrap());
            samples.map(|s| s.context.parse().unwrap()).collect()
        };
        assert_eq!(drawn(None, 1), (0..50).collect::<Vec<_>>());
        let some = drawn(Some(6), 1);
        assert_eq!((some.len(), &some), (6, &drawn(Some(6), 1)));
        assert!(some.is_sorted() && some != drawn(Some(6), 2) && some[5] > 6);
        std::fs::write(&path[0], row(1) + &row(2) + "{}").unwrap();
        let error = plan(&path, Some(1), 1).items(&tokenizer).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    #[test]
    fn rows_that_change_or_cannot_be_told_apart_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let tokenizer = tokenizer();
        std::fs::write(&path, row(1) + &row(2)).unwrap();
        let plan_of = |files: &[PathBuf]| plan(files, None, 1);
        let one = plan_of(std::slice::from_ref(&path));
        let items = one.items(&tokenizer).unwrap();
        std::fs::write(&path, row(1) + "{\"id\": 7," + &row(2)[1..]).unwrap();
        assert!(one.sample(&items[0], &tokenizer).is_ok());
        let error = one.sample(&items[1], &tokenizer).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2: it has changed since the run began"),
            "{error}"
        );
        std::fs::write(&path, row(1)).unwrap();
        let error = one.sample(&items[1], &tokenizer).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2: it is not there any more"),
            "{error}"
        );
        let other = folder.path().join("b");
        std::fs::create_dir(&other).unwrap();
        let other = other.join("a.jsonl");
        std::fs::write(&other, row(3)).unwrap();
        let error = plan_of(&[path, other]).items(&tokenizer).unwrap_err();
        assert!(error.to_string().contains("rename the file"), "{error}");
    }
}
