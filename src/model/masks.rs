//! Control tokens that people write, kept from being taken for a template's own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use super::tokenizer::{Segment, Tokenizer};

/// Private-use characters, and behind them such as will hardly ever mean anything: so many that a text
/// with all of them is longer than any context.
const STAND_INS: [RangeInclusive<char>; 3] = [
    '\u{100000}'..='\u{10fffd}',
    '\u{f0000}'..='\u{ffffd}',
    '\u{40000}'..='\u{dfffd}',
];
/// Control tokens found between two looks at whether the search is given up.
const LOOK: usize = 1 << 16;

/// Stand-ins, through the rendering, for control tokens that occur in messages: one private-use
/// character each, which occurs nowhere else. Templates may trim or cut messages; a stand-in
/// survives that, where markers around a message would not.
pub struct Masks<'t> {
    tokenizer: &'t Tokenizer,
    /// By their characters.
    pairs: Vec<(char, &'t str)>,
    /// Of a token's id its character.
    chars: HashMap<u32, char>,
}

impl<'t> Masks<'t> {
    /// For the `texts` of messages as a template gets them. `None` where `stopped` held.
    pub fn new(
        tokenizer: &'t Tokenizer,
        texts: &[String],
        stopped: &dyn Fn() -> bool,
    ) -> Option<Masks<'t>> {
        let mut found = BTreeSet::new();
        for text in texts {
            for (n, (_, id)) in tokenizer.control_in(text).enumerate() {
                if n.is_multiple_of(LOOK) && stopped() {
                    return None;
                }
                found.insert(id);
            }
        }
        let token = |id: u32| Some((id, tokenizer.token(id)?));
        let found: Vec<(u32, &str)> = found.into_iter().filter_map(token).collect();
        let texts = texts.iter().filter(|_| !found.is_empty());
        let used: HashSet<char> = texts.flat_map(|text| text.chars()).collect();
        let free = STAND_INS.into_iter().flatten();
        let free = free.filter(|c| !used.contains(c));
        let (mut pairs, mut chars) = (Vec::new(), HashMap::new());
        for (mask, (id, token)) in free.zip(found) {
            chars.insert(id, mask);
            pairs.push((mask, token));
        }
        pairs.sort_unstable();
        Some(Masks {
            tokenizer,
            pairs,
            chars,
        })
    }

    /// A text of a message with stand-ins. No letter is in two of the tokens, and none is left between
    /// them.
    pub fn mask(&self, text: &str) -> String {
        if self.pairs.is_empty() {
            return text.to_owned();
        }
        let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
        for (range, id) in self.tokenizer.control_in(text) {
            if let Some(mask) = self.chars.get(&id) {
                masked.push_str(&text[from..range.start]);
                masked.push(*mask);
                from = range.end;
            }
        }
        masked + &text[from..]
    }

    /// What was rendered, with the tokens in their places as characters.
    pub fn parts<'a>(&'a self, text: &'a str) -> Vec<Segment<'a>> {
        let mut parts = Vec::new();
        let mut from = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| *c >= '\u{40000}') {
            if let Ok(rank) = self.pairs.binary_search_by_key(&c, |(mask, _)| *mask) {
                parts.push(Segment {
                    text: &text[from..at],
                    special: true,
                });
                parts.push(Segment {
                    text: self.pairs[rank].1,
                    special: false,
                });
                from = at + c.len_utf8();
            }
        }
        parts.push(Segment {
            text: &text[from..],
            special: true,
        });
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gguf::GgufFile;
    use crate::testing::tiny::MIN_VOCAB;
    use crate::testing::{TinySpec, Work, write_tiny_gguf};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// Control tokens within and across each other, as they stand in the vocabulary.
    const TOKENS: &[(&str, i32)] = &[
        ("ab", 3),
        ("abc", 3),
        ("bcdef", 3),
        ("aa", 3),
        ("aaa", 3),
        ("bca", 3),
        ("fé", 3),
        ("éa", 3),
    ];

    fn tokenizer(marks: &'static [(&'static str, i32)]) -> Tokenizer {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        let spec = TinySpec {
            vocab: MIN_VOCAB + marks.len(),
            marks,
            ..TinySpec::llama()
        };
        write_tiny_gguf(&path, &spec).unwrap();
        Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap()
    }

    static OVERLAPPING: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(TOKENS));

    proptest! {
        #[test]
        fn no_token_is_left_and_the_text_stays(
            texts in prop::collection::vec("[a-fé]{0,24}", 1..4),
        ) {
            let masks = Masks::new(&OVERLAPPING, &texts, &|| false).unwrap();
            prop_assert!(masks.pairs.is_sorted());
            for text in &texts {
                let masked = masks.mask(text);
                for (token, _) in TOKENS {
                    prop_assert!(!masked.contains(token), "{} in {}", token, masked);
                }
                let parts = masks.parts(&masked);
                for part in parts.iter().filter(|part| !part.special) {
                    prop_assert!(TOKENS.iter().any(|(token, _)| *token == part.text));
                }
                let whole: String = parts.into_iter().map(|part| part.text).collect();
                prop_assert_eq!(&whole, text);
            }
        }
    }

    #[test]
    fn a_text_of_all_private_characters_hides_no_token() {
        let used: String = ('\u{f0000}'..='\u{10ffff}').collect();
        let texts = [used + "abc", "aa".to_owned()];
        let masks = Masks::new(&OVERLAPPING, &texts, &|| false).unwrap();
        assert!(masks.pairs.len() == 2 && masks.pairs.is_sorted());
        for text in &texts {
            let masked = masks.mask(text);
            assert!(!masked.contains("abc") && !masked.contains("aa"));
            let whole: String = masks.parts(&masked).iter().map(|part| part.text).collect();
            assert_eq!(&whole, text);
        }
    }

    #[test]
    fn as_many_tokens_as_gemma_has_take_no_time() {
        let names: Vec<String> = (0..6249).map(|n| format!("<unused{n}>")).collect();
        let mark = |name: &String| (&*name.clone().leak(), 3);
        let marks: Vec<(&'static str, i32)> = names.iter().map(mark).collect();
        let tokenizer = tokenizer(marks.leak());
        let texts = ["some words, ".repeat(50_000) + &names.concat()];
        let work = Work::begin();
        let masks = Masks::new(&tokenizer, &texts, &|| false).unwrap();
        let masked = masks.mask(&texts[0]);
        assert_eq!(masks.parts(&masked).len(), 2 * names.len() + 1);
        assert!(work.done().as_millis() < 1000, "{:?}", work.done());
        // And it is given up when nobody waits for it.
        assert!(Masks::new(&tokenizer, &texts, &|| true).is_none());
    }
}
