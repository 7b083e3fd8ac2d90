//! Finds control and user-defined tokens written in a text.

use super::error::TokenizerError;
use super::kind::Kind;
use aho_corasick::{AhoCorasick, MatchKind};
use std::ops::Range;

/// Longest match first, from the left.
struct Finder {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

/// User-defined tokens are recognised everywhere, control tokens only where asked for.
pub struct Special {
    everywhere: Finder,
    with_control: Finder,
}

impl Special {
    pub fn new(tokens: &[&str], kinds: &[Kind]) -> Result<Special, TokenizerError> {
        let finder = |wanted: &[Kind]| {
            let all = (0..).zip(tokens.iter().zip(kinds));
            let chosen =
                all.filter(|(_, (token, kind))| !token.is_empty() && wanted.contains(kind));
            let (ids, texts): (Vec<u32>, Vec<&str>) =
                chosen.map(|(id, (token, _))| (id, *token)).unzip();
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(texts)
                .map_err(|error| TokenizerError::Build(Box::new(error)))?;
            Ok::<_, TokenizerError>(Finder { automaton, ids })
        };
        Ok(Special {
            everywhere: finder(&[Kind::UserDefined])?,
            with_control: finder(&[Kind::UserDefined, Kind::Control, Kind::Unknown])?,
        })
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
