//! How LongBench's rows are asked: its tables, or plain words where none are given.

use std::collections::HashMap;
use std::path::Path;

use super::DataError;
use super::file::whole;
use super::row::{Row, Wrong};
use crate::eval::metric::Metric;

/// Bytes of a table.
const MOST: u64 = 16 << 20;

/// LongBench's `dataset2prompt.json` and `dataset2maxlen.json`, as far as they were given.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    prompts: HashMap<String, String>,
    lengths: HashMap<String, usize>,
}

impl Prompts {
    /// # Errors
    /// A file that is no such table.
    pub fn read(prompts: Option<&Path>, lengths: Option<&Path>) -> Result<Prompts, DataError> {
        Ok(Prompts {
            prompts: table(
                prompts,
                "texts, such as {\"qasper\": \"… {context} … {input}\"}",
            )?,
            lengths: table(lengths, "numbers, such as {\"qasper\": 128}")?,
        })
    }

    /// The table's row of a set, or of a set of LongBench-E.
    fn of<'t, T>(table: &'t HashMap<String, T>, set: &str) -> Option<&'t T> {
        let plain = set.strip_suffix("_e").unwrap_or(set);
        table.get(set).or_else(|| table.get(plain))
    }

    /// Most tokens of an answer, where the table says.
    pub fn max_tokens(&self, set: &str) -> Option<usize> {
        Prompts::of(&self.lengths, set).copied()
    }

    /// What stands up to the end of the row's context, and what behind it.
    pub fn split(&self, set: &str, metric: Metric, row: &Row) -> Result<(String, String), Wrong> {
        let own = Prompts::of(&self.prompts, set).map(String::as_str);
        fill(own.unwrap_or_else(|| usual(metric)), row)
    }
}

fn table<T: serde::de::DeserializeOwned>(
    path: Option<&Path>,
    of: &str,
) -> Result<HashMap<String, T>, DataError> {
    let Some(path) = path else {
        return Ok(HashMap::new());
    };
    let read = serde_json::from_str(&whole(path, MOST)?);
    read.map_err(|e| DataError::file(path, format!("it is no JSON object of {of}: {e}")))
}

/// Where no table is given.
fn usual(metric: Metric) -> &'static str {
    match metric {
        Metric::RougeL | Metric::RougeLZh => "{context}\n\n{input}\n\nSummary:",
        Metric::Classification => "{context}\n{input}",
        Metric::EditSimilarity => "{context}{input}",
        Metric::Count | Metric::Retrieval | Metric::RetrievalZh => {
            "{context}\n\n{input}\n\nAnswer:"
        }
        _ => {
            "{context}\n\nAnswer the question about the text above in as few words as possible.\n\n\
              Question: {input}\nAnswer:"
        }
    }
}

/// Python's `format` with the row's fields: names in braces, doubled braces for one. The text up to the
/// end of the last `{context}`, and the rest.
fn fill(format: &str, row: &Row) -> Result<(String, String), Wrong> {
    let (mut out, mut behind) = (String::new(), None);
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(more) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = more;
            continue;
        }
        let end = rest.find('}').filter(|_| brace == "{");
        let end = end.ok_or("the prompt's table has a brace too many")?;
        let name = &rest[..end];
        out.push_str(row.text(name)?);
        if name == "context" {
            behind = Some(out.len());
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    let behind = behind.ok_or("the prompt's table has no {context} for this set")?;
    let question = out.split_off(behind);
    Ok((out, question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_split_behind_its_context() {
        let row = Row::parse(r#"{"context": "the {text}", "input": "why?"}"#).unwrap();
        let split = fill("Read {{this}}: {context}\nQ: {input}\nA:", &row).unwrap();
        assert_eq!(
            split,
            ("Read {this}: the {text}".into(), "\nQ: why?\nA:".into())
        );
        for (wrong, why) in [
            ("{context} {length}", "`length` is missing"),
            ("{input}", "no {context}"),
            ("{context} {input", "brace"),
        ] {
            let found = fill(wrong, &row).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
    }
}
