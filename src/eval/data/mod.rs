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
pub use file::{Place, hash, hash_of};
pub use prompts::Prompts;
pub use sample::{Question, Sample};

/// Characters of the name of a set or of a row: names are kept for all rows, texts only where they are read.
const NAME: usize = 100;

/// Shows the samples of a file from `from` on in its order, until `keep` has enough.
///
/// # Errors
/// When the file cannot be read or a row is wrong: the error says which and why.
pub fn read(
    path: &Path,
    from: Place,
    prompts: &Prompts,
    keep: &mut dyn FnMut(Sample, Place) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let stem = set_of(path);
    file::lines(path, from, &mut |place, text| {
        let line = place.line;
        let wrong = |what: String| DataError::row(path, line, what);
        let row = row::Row::parse(text).map_err(wrong)?;
        let mut sample = forms::sample(&row, &stem, prompts).map_err(wrong)?;
        if sample.dataset.chars().nth(NAME).is_some() {
            return Err(wrong(format!(
                "its set's name is longer than {NAME} characters"
            )));
        }
        let id = row.name("_id").or_else(|| row.name("id"));
        let id = id.unwrap_or_else(|| line.to_string());
        let id: String = id.chars().take(NAME).collect();
        sample.id = format!("{}/{}/{line}/{id}", sample.task, sample.dataset);
        keep(sample, place)
    })
}

/// The sample that was shown with this place.
///
/// # Errors
/// As [`read`]'s, and where there is none any more.
pub fn read_at(path: &Path, place: Place, prompts: &Prompts) -> Result<Sample, DataError> {
    let mut found = None;
    read(path, place, prompts, &mut |sample, at| {
        found = Some(sample).filter(|_| at == place);
        Ok(false)
    })?;
    found.ok_or_else(|| DataError::row(path, place.line, "it is not there any more".into()))
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
