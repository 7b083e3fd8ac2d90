//! A model in several files, `NAME-00001-of-0000N.gguf`: which they are, and whether they are those.

use std::path::{Path, PathBuf};

use super::error::{GgufError, Result};

/// More parts than any model has.
pub const MOST: u32 = 1024;

/// What a file's name says of its place among the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// In front of `-00001-of-00003.gguf`.
    pub stem: String,
    /// From 1.
    pub no: u32,
    pub count: u32,
    /// `.gguf`, as it is written.
    end: String,
}

impl PartName {
    /// Reads the last component of a path or of a name in a repository; `None` for a file that is
    /// not called like a part.
    pub fn of(name: &str) -> Option<PartName> {
        let end = name
            .len()
            .checked_sub(5)
            .filter(|i| name.is_char_boundary(*i))?;
        let (rest, end) = name.split_at(end);
        if !end.eq_ignore_ascii_case(".gguf") {
            return None;
        }
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, no) = rest.rsplit_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let (no, count) = (number(no)?, number(count)?);
        let sensible = 1 <= no && no <= count && count <= MOST;
        sensible.then(|| PartName {
            stem: stem.to_owned(),
            no,
            count,
            end: end.to_owned(),
        })
    }

    pub fn of_path(path: &Path) -> Option<PartName> {
        PartName::of(path.file_name()?.to_str()?)
    }

    /// What part `no`, from 1, is called.
    pub fn nth(&self, no: u32) -> String {
        format!("{}-{no:05}-of-{:05}{}", self.stem, self.count, self.end)
    }

    /// All parts' names, in order.
    pub fn all(&self) -> Vec<String> {
        (1..=self.count).map(|no| self.nth(no)).collect()
    }
}

/// Where the parts of the model lie of which `path` is one; the file alone where its name is no part's.
pub fn paths(path: &Path) -> Vec<PathBuf> {
    match PartName::of_path(path) {
        Some(name) => {
            let names = name.all().into_iter();
            names.map(|name| path.with_file_name(name)).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// What a header says of its place among the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `split.no`, from 0.
    pub no: Option<u64>,
    /// `split.count`.
    pub count: Option<u64>,
    /// `split.tensors.count`, of all parts.
    pub tensors: Option<u64>,
}

impl Said {
    /// The parts that the model has.
    pub fn count(&self) -> u64 {
        self.count.unwrap_or(1).max(1)
    }
}

/// Where all parts of the model lie whose part at `path` says `said`.
pub fn all_of(path: &Path, said: &Said) -> Result<Vec<PathBuf>> {
    let name = PartName::of_path(path);
    let named = name.as_ref().map_or(1, |name| u64::from(name.count));
    match (said.count(), &name) {
        (1, None) => Ok(vec![path.to_owned()]),
        (count, None) => wrong(
            path,
            format!(
                "it is part {} of {count} of a model, and is not called so; name the parts \
                 NAME-00001-of-{count:05}.gguf and so on, in one folder, and open the first",
                said.no.unwrap_or(0).saturating_add(1)
            ),
        ),
        (count, _) if count != named => wrong(
            path,
            format!(
                "its name says that the model is in {named} parts, and the file that it is in \
                 {count}; download all parts again, under the names that they have there"
            ),
        ),
        _ => Ok(paths(path)),
    }
}

/// Checks that the file at `path` is part `index`, from 0, of `count`.
pub fn check_place(path: &Path, said: &Said, index: usize, count: usize) -> Result<()> {
    if said.count() != count as u64 {
        let parts = said.count();
        return wrong(
            path,
            format!(
                "it is of a model in {parts} parts, and the others are of one in {count}; \
                 download this part again"
            ),
        );
    }
    match said.no.unwrap_or(0) {
        no if no == index as u64 => Ok(()),
        no => wrong(
            path,
            format!(
                "it is called part {} and is part {}; download it again, under the name that it \
                 has there",
                index + 1,
                no.saturating_add(1)
            ),
        ),
    }
}

pub fn wrong<T>(path: &Path, what: String) -> Result<T> {
    Err(GgufError::Part {
        path: path.to_owned(),
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        let name = PartName::of("a-b-00002-of-00003.GGUF").unwrap();
        assert_eq!((name.stem.as_str(), name.no, name.count), ("a-b", 2, 3));
        assert_eq!(name.nth(1), "a-b-00001-of-00003.GGUF");
        assert_eq!(name.all().len(), 3);
        for other in [
            "a.gguf",
            "a-2-of-3.gguf",
            "a-00004-of-00003.gguf",
            "a-00000-of-00003.gguf",
            "a-00001-of-99999.gguf",
            "a-00001-of-00003.bin",
            "é",
            "",
        ] {
            assert_eq!(PartName::of(other), None, "{other}");
        }
        let paths = paths(Path::new("x/a-00002-of-00002.gguf"));
        assert_eq!(paths[0], Path::new("x/a-00001-of-00002.gguf"));
        assert_eq!(super::paths(Path::new("x/a.gguf")), [Path::new("x/a.gguf")]);
    }
}
