//! An excerpt of a document: pages of a PDF, lines of everything else.

use std::fmt;
use std::path::{Path, PathBuf};

/// From the first to the last page or line, both included, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub first: usize,
    /// `None` goes on to the end.
    pub last: Option<usize>,
}

impl Excerpt {
    /// `3-7`, `3`, `3-`, `-7`; a dash may be an en dash.
    pub fn parse(text: &str) -> Option<Excerpt> {
        let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse::<usize>().ok().filter(|n| *n > 0),
            false => None,
        };
        let part = match text.split_once(['-', '–']) {
            None => {
                let only = number(text)?;
                Excerpt {
                    first: only,
                    last: Some(only),
                }
            }
            Some(("", "")) => return None,
            Some((first, last)) => Excerpt {
                first: if first.is_empty() { 1 } else { number(first)? },
                last: match last {
                    "" => None,
                    last => Some(number(last)?),
                },
            },
        };
        (part.last.is_none_or(|last| part.first <= last)).then_some(part)
    }

    /// As much of it as there is, where its last page or line is number `end`.
    pub fn up_to(self, end: usize) -> Excerpt {
        let last = self.last.map(|last| last.min(end));
        Excerpt { last, ..self }
    }

    /// The part of `all` pages or lines, as a range from 0; `None` where it lies behind the end.
    pub fn within(self, all: usize) -> Option<std::ops::Range<usize>> {
        let end = self.last.unwrap_or(all).min(all);
        (self.first <= end).then(|| self.first - 1..end)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{}-{last}", self.first),
            None => write!(f, "{}-", self.first),
        }
    }
}

/// A path as it was given: the file of that name, else `PATH#3-7` or `PATH 3-7` without its end.
pub fn split(path: &Path) -> (PathBuf, Option<Excerpt>) {
    let whole = || (path.to_path_buf(), None);
    let Some(text) = path.to_str() else {
        return whole();
    };
    let found = text.rsplit_once(['#', ' ']).and_then(|(before, part)| {
        let before = before.trim_end();
        (!before.is_empty()).then_some((before, Excerpt::parse(part)?))
    });
    match found {
        Some((before, part)) if before == "-" || !path.exists() => {
            (PathBuf::from(before), Some(part))
        }
        _ => whole(),
    }
}

/// Lines of a text; the error is how many there are.
pub fn lines(text: &str, part: Excerpt) -> Result<String, usize> {
    let all: Vec<&str> = text.lines().collect();
    let range = part.within(all.len()).ok_or(all.len())?;
    let mut out = all[range].join("\n");
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_as_people_write_them() {
        let shown = |text| Excerpt::parse(text).map(|p| p.to_string());
        assert_eq!(shown("3-7"), Some("3-7".into()));
        assert_eq!(shown("3–7"), Some("3-7".into()));
        assert_eq!(shown("3"), Some("3".into()));
        assert_eq!(shown("-7"), Some("1-7".into()));
        assert_eq!(shown("3-"), Some("3-".into()));
        for wrong in [
            "",
            "-",
            "0",
            "7-3",
            "a-b",
            "1-2-3",
            "+1",
            "99999999999999999999",
        ] {
            assert_eq!(Excerpt::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Excerpt::parse("2-9").unwrap().within(4), Some(1..4));
        assert_eq!(Excerpt::parse("5-").unwrap().within(4), None);
    }

    #[test]
    fn a_file_that_has_the_name_wins() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("notes.txt");
        std::fs::write(&plain, "a").unwrap();
        let odd = folder.path().join("notes.txt#1-2");
        let part = Excerpt::parse("1-2");
        assert_eq!(split(&odd), (plain.clone(), part));
        assert_eq!(split(&folder.path().join("notes.txt 1-2")), (plain, part));
        std::fs::write(&odd, "b").unwrap();
        assert_eq!(split(&odd), (odd.clone(), None));
        let free = folder.path().join("page#intro");
        assert_eq!(split(&free), (free.clone(), None));
    }

    #[test]
    fn lines_are_cut_out() {
        let part = |text| Excerpt::parse(text).unwrap();
        assert_eq!(lines("a\nb\nc\nd", part("2-3")), Ok("b\nc\n".into()));
        assert_eq!(lines("a\nb", part("2-9")), Ok("b\n".into()));
        assert_eq!(lines("a\nb", part("3")), Err(2));
    }
}
