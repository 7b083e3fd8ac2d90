//! Texts with questions, from data files in the field's own forms. The form of a row is known by its
//! fields; whatever it was, it becomes a [`Sample`].

mod error;
mod file;
mod forms;
mod prompts;
mod row;
mod sample;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::DataError;
pub use prompts::Prompts;
pub use sample::{Question, Sample};

/// Shows the samples of a file in its order, until `keep` has enough.
///
/// # Errors
/// When the file cannot be read or a row is wrong: the error says which and why.
pub fn read(
    path: &Path,
    prompts: &Prompts,
    keep: &mut dyn FnMut(Sample) -> bool,
) -> Result<(), DataError> {
    let stem = set_of(path);
    file::lines(path, &mut |line, text| {
        let wrong = |what: String| DataError::row(path, line, what);
        let row = row::Row::parse(text).map_err(wrong)?;
        let mut sample = forms::sample(&row, &stem, prompts).map_err(wrong)?;
        let id = row.name("_id").or_else(|| row.name("id"));
        let id = id.unwrap_or_else(|| line.to_string());
        sample.id = format!("{}/{}/{line}/{id}", sample.task, sample.dataset);
        Ok(keep(sample))
    })
}

/// A file's set where its rows do not say: its name, or its folder's where the name is a split's
/// (`niah_single_1/validation.jsonl`).
fn set_of(path: &Path) -> String {
    let name =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = name(path.file_stem()).unwrap_or_default();
    let split = ["validation", "test", "train", "dev", "data"].contains(&stem.as_str());
    let folder = path.parent().and_then(Path::file_name);
    match name(folder).filter(|folder| split && !folder.is_empty()) {
        Some(folder) => folder,
        None => stem,
    }
}
