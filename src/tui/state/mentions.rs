//! Files that a message mentions: `@path`, or `@"a path with blanks"`.

use std::ops::Range;

/// What may stand behind a path without being part of it.
const BEHIND: [char; 14] = [
    ',', ';', ':', '?', '!', ')', ']', '}', '"', '\'', '”', '’', '*', '…',
];
/// Endings of names that are meant as a document's, also where there is none.
const DOCUMENTS: [&str; 10] = [
    ".md", ".txt", ".pdf", ".html", ".htm", ".csv", ".json", ".tex", ".rst", ".log",
];

/// A path in a message, and where it stands, its `@` and quotation marks included.
#[derive(Debug, PartialEq)]
pub(super) struct Mention {
    place: Range<usize>,
    pub path: String,
}

/// Where a word begins with `@`.
fn starts(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    let begins = |at: &usize| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    };
    text.match_indices('@').map(|(at, _)| at).filter(begins)
}

/// All of a message, as paths to be looked for.
pub(super) fn all(text: &str) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    for at in starts(text) {
        if found.last().is_some_and(|last| at < last.place.end) {
            continue;
        }
        let behind = &text[at + 1..];
        let (path, length) = match behind.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((path, _)) => (path, path.len() + 2),
                // Not closed yet: all of the line.
                None => {
                    let path = quoted.lines().next().unwrap_or_default();
                    (path, path.len() + 1)
                }
            },
            None => {
                let word = behind.split(char::is_whitespace).next().unwrap_or_default();
                let path = word.trim_end_matches(BEHIND);
                (path, path.len())
            }
        };
        if !path.is_empty() {
            found.push(Mention {
                place: at..at + 1 + length,
                path: path.to_owned(),
            });
        }
    }
    found
}

/// The one that is being typed at the end: where its path begins, and the path so far.
pub(super) fn typed(text: &str) -> Option<(usize, &str)> {
    // What is quoted goes on until it is closed.
    let open = |at: &usize| {
        let quoted = text[at + 1..].strip_prefix('"');
        quoted.is_some_and(|path| !path.contains('"'))
    };
    if let Some(at) = starts(text).find(open) {
        return Some((at + 2, &text[at + 2..]));
    }
    let at = starts(text).next_back()? + 1;
    let path = &text[at..];
    let whole = path.contains(char::is_whitespace) || path.starts_with('"');
    (!whole).then_some((at, path))
}

/// The end of a mention, from a path that completes it: `open` behind a quotation mark.
pub(super) fn completed(path: &str, open: bool) -> String {
    if !open && !path.contains(char::is_whitespace) {
        return path.to_owned();
    }
    let before = if open { "" } else { "\"" };
    let behind = if path.ends_with('/') { "" } else { "\"" };
    format!("{before}{path}{behind}")
}

/// The path without the full stop of its sentence, where it ends with one.
pub(super) fn without_stop(path: &str) -> Option<&str> {
    let shorter = path.trim_end_matches('.');
    (shorter != path && !shorter.is_empty()).then_some(shorter)
}

/// Where the file at `path` is mentioned.
pub(super) fn place(text: &str, path: &str) -> Option<Range<usize>> {
    let of_it = |mention: Mention| {
        let Range { start, end } = mention.place;
        if mention.path == path {
            return Some(start..end);
        }
        let stops = mention.path.len() - path.len().min(mention.path.len());
        (without_stop(&mention.path) == Some(path)).then(|| start..end - stops)
    };
    all(text).into_iter().find_map(of_it)
}

/// A path, and not somebody's name.
pub(super) fn is_path(mention: &str) -> bool {
    let lower = mention.to_ascii_lowercase();
    mention.contains('/')
        || mention.starts_with('~')
        || DOCUMENTS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        all(text).into_iter().map(|m| m.path).collect()
    }

    #[test]
    fn files_are_mentioned_as_people_write() {
        assert_eq!(paths("see @a.md, and @b/c.txt?"), ["a.md", "b/c.txt"]);
        assert_eq!(paths("mail me@home"), Vec::<String>::new());
        assert_eq!(paths("(not @ alone, *@a.md*)"), Vec::<String>::new());
        assert_eq!(paths("@\"my notes.md\" and @b.md"), ["my notes.md", "b.md"]);
        assert_eq!(paths("see @\"my notes.md\nnow"), ["my notes.md"]);
        assert_eq!(paths("\u{201c}quoted @a.md\u{201d}"), ["a.md"]);
    }

    #[test]
    fn what_is_being_typed() {
        assert_eq!(typed("see @no"), Some((5, "no")));
        assert_eq!(typed("see @\"my no"), Some((6, "my no")));
        assert_eq!(typed("see @\"my notes.md\""), None);
        assert_eq!(typed("see @notes and"), None);
        assert_eq!(typed("a@b"), None);
    }

    #[test]
    fn a_file_is_found_where_it_stands_and_not_within_another() {
        let found = |text: &str, path: &str| place(text, path).map(|at| text[at].to_owned());
        let text = "of @a.md.bak, @a.md and @\"my notes.md\".";
        assert_eq!(found(text, "a.md"), Some("@a.md".into()));
        assert_eq!(place(text, "a.md").map(|at| at.start), Some(14));
        assert_eq!(found(text, "my notes.md"), Some("@\"my notes.md\"".into()));
        // The full stop is the sentence's.
        assert_eq!(paths("sum up @a.md."), ["a.md."]);
        assert_eq!(without_stop("a.md."), Some("a.md"));
        assert_eq!(found("sum up @a.md.", "a.md"), Some("@a.md".into()));
    }

    #[test]
    fn names_with_blanks_are_completed_in_quotation_marks() {
        assert_eq!(completed("notes.md", false), "notes.md");
        assert_eq!(completed("my notes.md", false), "\"my notes.md\"");
        assert_eq!(completed("my notes/", false), "\"my notes/");
        assert_eq!(completed("my notes/a.md", true), "my notes/a.md\"");
    }

    #[test]
    fn a_document_is_told_from_a_name() {
        assert!(is_path("notes.MD") && is_path("src/x") && is_path("~x"));
        assert!(!is_path("ada") && !is_path("node.js"));
    }
}
