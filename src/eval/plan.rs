//! Which samples a run has: of data files so many of each set, and synthetic ones.

use std::collections::HashMap;
use std::path::Path;

use super::data::{Prompts, Sample, read};
use super::error::EvalError;
use super::synthetic::{Haystack, Task};
use crate::model::tokenizer::Tokenizer;
use crate::random::Random;

/// The samples of data files. Every row is looked at, so that a wrong one is found at once; of each set
/// `limit` are kept, drawn by the seed (reservoir sampling), in the files' order.
///
/// # Errors
/// A file that cannot be read, or a wrong row.
pub fn of_files(
    files: &[impl AsRef<Path>],
    prompts: &Prompts,
    limit: Option<usize>,
    seed: u64,
) -> Result<Vec<Sample>, EvalError> {
    let mut all: Vec<Option<Sample>> = Vec::new();
    // Of each set: how many came, and where those that are kept stand.
    let mut sets: HashMap<String, (usize, Vec<usize>)> = HashMap::new();
    let mut random = Random::of(seed, &["rows"]);
    for file in files {
        read(file.as_ref(), prompts, &mut |sample| {
            let (seen, kept) = sets.entry(sample.dataset.clone()).or_default();
            *seen += 1;
            let place = match limit {
                Some(limit) if kept.len() >= limit => {
                    let drawn = random.below(*seen);
                    let Some(place) = kept.get_mut(drawn) else {
                        return true;
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
            all.push(Some(sample));
            true
        })?;
    }
    Ok(all.into_iter().flatten().collect())
}

/// `count` samples of each task at each length.
///
/// # Errors
/// A task that does not fit into a length.
pub fn of_tasks(
    tasks: &[Task],
    lengths: &[usize],
    count: usize,
    seed: u64,
    haystack: &Haystack,
    tokenizer: &Tokenizer,
) -> Result<Vec<Sample>, EvalError> {
    let mut all = Vec::new();
    for task in tasks {
        for &length in lengths {
            for index in 0..count {
                all.push(task.make(length, index, seed, haystack, tokenizer)?);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_draws_rows_by_the_seed_and_finds_wrong_ones_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let row = |i: usize| {
            format!("{{\"context\": \"{i}\", \"questions\": [\"q\"], \"answers\": [\"a\"]}}\n")
        };
        std::fs::write(&path, (0..50).map(row).collect::<String>()).unwrap();
        let drawn = |limit, seed| -> Vec<usize> {
            let samples = of_files(&[&path], &Prompts::default(), limit, seed).unwrap();
            samples.iter().map(|s| s.context.parse().unwrap()).collect()
        };
        assert_eq!(drawn(None, 1), (0..50).collect::<Vec<_>>());
        let some = drawn(Some(6), 1);
        assert_eq!((some.len(), &some), (6, &drawn(Some(6), 1)));
        assert!(some.is_sorted() && some != drawn(Some(6), 2) && some[5] > 6);
        std::fs::write(&path, row(1) + &row(2) + "{}").unwrap();
        let error = of_files(&[&path], &Prompts::default(), Some(1), 1).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
