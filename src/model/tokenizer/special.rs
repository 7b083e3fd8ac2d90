//! Finds control and user-defined tokens written in a text.

use super::error::TokenizerError;
use super::kind::Kind;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::HashSet;
use std::ops::Range;

/// Bytes of the longest special token, and of all of them: real ones have some dozen (31 in Gemma's and
/// Llama's vocabularies), and some ten thousand. A search may go over a text's letter as often as the
/// longest has letters, and is built in time that grows with the square of that.
const LONGEST: usize = 1 << 8;
const ALL: usize = 4 << 20;

struct Finder {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

impl Finder {
    /// No letter is in two of them, so that there are no more than letters.
    fn places<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        let found = self.automaton.find_iter(text);
        found.map(move |m| (m.range(), self.ids[m.pattern().as_usize()]))
    }
}

/// User-defined tokens are recognised everywhere, control tokens only where asked for. Longest match
/// first, from the left.
pub struct Special {
    everywhere: Finder,
    with_control: Finder,
    control: Finder,
}

impl Special {
    pub fn new(tokens: &[&str], kinds: &[Kind]) -> Result<Special, TokenizerError> {
        let finder = |wanted: &[Kind]| {
            let all = (0..).zip(tokens.iter().zip(kinds));
            // One of a spelling, the first: the others would be gone through at each of its places.
            let mut seen = HashSet::new();
            let chosen = all.filter(|(_, (token, kind))| {
                !token.is_empty() && wanted.contains(kind) && seen.insert(**token)
            });
            let (ids, texts): (Vec<u32>, Vec<&str>) =
                chosen.map(|(id, (token, _))| (id, *token)).unzip();
            let damaged = |what| TokenizerError::Vocabulary { what };
            if texts.iter().any(|text| text.len() > LONGEST) {
                return Err(damaged("a special token has more than 256 bytes"));
            }
            if texts.iter().map(|text| text.len()).sum::<usize>() > ALL {
                return Err(damaged("its special tokens have more than 4 MiB"));
            }
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(texts)
                .map_err(|error| TokenizerError::Build(Box::new(error)))?;
            Ok::<_, TokenizerError>(Finder { automaton, ids })
        };
        let all = [Kind::UserDefined, Kind::Control, Kind::Shown, Kind::Unknown];
        Ok(Special {
            everywhere: finder(&all[..1])?,
            with_control: finder(&all)?,
            control: finder(&all[1..])?,
        })
    }

    /// The places of control tokens: between them, and in what is cut out there, is none.
    pub fn written<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        self.control.places(text)
    }

    pub fn find<'a>(
        &'a self,
        text: &'a str,
        control: bool,
    ) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        match control {
            true => self.with_control.places(text),
            false => self.everywhere.places(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(texts: &[String], kind: Kind) -> Result<Special, TokenizerError> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Special::new(&texts, &vec![kind; texts.len()])
    }

    #[test]
    fn no_vocabulary_takes_for_ever() {
        let work = crate::testing::Work::begin();
        for kind in [Kind::Control, Kind::UserDefined] {
            let long = ["a".repeat(200_000), "b".into()];
            let error = built(&long, kind).err().unwrap().to_string();
            assert!(error.contains("256 bytes"), "{error}");
            let many: Vec<String> = (0..21_000)
                .map(|n| format!("{}{n:05}", "a".repeat(200)))
                .collect();
            assert!(built(&many, kind).is_err());
            // As much as may be.
            assert!(built(&many[..20_000], kind).is_ok());
            // The same one again and again.
            assert!(built(&vec!["a".to_owned(); 300_000], kind).is_ok());
        }
        assert!(built(&["a".repeat(200_000)], Kind::Normal).is_ok());
        assert!(work.done().as_secs() < 5, "{:?}", work.done());
    }

    /// Of tokens within each other one is found at a place, not all; and one whose end never comes is
    /// looked for at each letter, no further than it is long.
    #[test]
    fn tokens_within_each_other_are_found_in_one_walk() {
        let nested: Vec<String> = (1..=LONGEST).map(|n| "a".repeat(n)).collect();
        let special = built(&nested, Kind::Control).unwrap();
        let text = "a".repeat(20_001);
        let found: Vec<_> = special.written(&text).collect();
        assert_eq!(found.len(), text.len().div_ceil(LONGEST));
        assert_eq!(found.last(), Some(&(19_968..20_001, 32)));
        assert_eq!(special.find(&text, true).count(), found.len());
        let endless = ["a".to_owned(), "a".repeat(LONGEST - 1) + "b"];
        let special = built(&endless, Kind::Control).unwrap();
        let text = "a".repeat(1 << 20);
        let work = crate::testing::Work::begin();
        assert_eq!(special.written(&text).count(), text.len());
        assert!(work.done().as_secs() < 5, "{:?}", work.done());
    }
}
