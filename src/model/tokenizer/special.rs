//! Finds control and user-defined tokens written in a text.

use super::error::TokenizerError;
use super::kind::Kind;
use aho_corasick::{AhoCorasick, MatchKind};
use std::ops::Range;

/// Bytes of the longest special token, and of all of them: real ones have some dozen, and some ten
/// thousand. The search is built in time that grows with the square of the length.
const LONGEST: usize = 1 << 10;
const ALL: usize = 4 << 20;

struct Finder {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

/// User-defined tokens are recognised everywhere, control tokens only where asked for. Longest match
/// first, from the left.
pub struct Special {
    everywhere: Finder,
    with_control: Finder,
    /// Of control tokens, also where they overlap.
    control: Finder,
}

impl Special {
    pub fn new(tokens: &[&str], kinds: &[Kind]) -> Result<Special, TokenizerError> {
        let finder = |wanted: &[Kind], matches: MatchKind| {
            let all = (0..).zip(tokens.iter().zip(kinds));
            let chosen =
                all.filter(|(_, (token, kind))| !token.is_empty() && wanted.contains(kind));
            let (ids, texts): (Vec<u32>, Vec<&str>) =
                chosen.map(|(id, (token, _))| (id, *token)).unzip();
            let damaged = |what| TokenizerError::Vocabulary { what };
            if texts.iter().any(|text| text.len() > LONGEST) {
                return Err(damaged("a special token has more than 1,024 bytes"));
            }
            if texts.iter().map(|text| text.len()).sum::<usize>() > ALL {
                return Err(damaged("its special tokens have more than 4 MiB"));
            }
            let automaton = AhoCorasick::builder()
                .match_kind(matches)
                .build(texts)
                .map_err(|error| TokenizerError::Build(Box::new(error)))?;
            Ok::<_, TokenizerError>(Finder { automaton, ids })
        };
        let all = [Kind::UserDefined, Kind::Control, Kind::Shown, Kind::Unknown];
        let longest = MatchKind::LeftmostLongest;
        Ok(Special {
            everywhere: finder(&all[..1], longest)?,
            with_control: finder(&all, longest)?,
            control: finder(&all[1..], MatchKind::Standard)?,
        })
    }

    /// Every place of a control token, also within and across others, in the order of their ends.
    pub fn written<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        let all = self.control.automaton.find_overlapping_iter(text);
        all.map(move |m| (m.range(), self.control.ids[m.pattern().as_usize()]))
    }

    pub fn find<'a>(
        &'a self,
        text: &'a str,
        control: bool,
    ) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        let finder = if control {
            &self.with_control
        } else {
            &self.everywhere
        };
        finder
            .automaton
            .find_iter(text)
            .map(|m| (m.range(), finder.ids[m.pattern().as_usize()]))
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
            assert!(error.contains("1,024 bytes"), "{error}");
            let many: Vec<String> = (0..5000)
                .map(|n| format!("{}{n:04}", "a".repeat(1000)))
                .collect();
            assert!(built(&many, kind).is_err());
            // As much as may be.
            assert!(built(&many[..4000], kind).is_ok());
        }
        assert!(built(&["a".repeat(200_000)], Kind::Normal).is_ok());
        assert!(work.done().as_secs() < 5, "{:?}", work.done());
    }
}
