//! Control tokens that people write, kept from being taken for a template's own.

use super::message::Message;
use super::tokenizer::{Segment, Tokenizer};

/// Stand-ins, through the rendering, for control tokens that occur in messages: one private-use
/// character each, which occurs nowhere else. Templates may trim or cut messages; a stand-in
/// survives that, where markers around a message would not.
pub struct Masks {
    pairs: Vec<(char, String)>,
}

impl Masks {
    pub fn new(tokenizer: &Tokenizer, messages: &[Message]) -> Masks {
        let inside = |t: &str| messages.iter().any(|m| m.content.contains(t));
        let mut found: Vec<&str> = tokenizer.control_tokens().filter(|t| inside(t)).collect();
        // Longest first, so that a token is not masked as a part of another.
        found.sort_by_key(|t| std::cmp::Reverse(t.len()));
        if found.is_empty() {
            return Masks { pairs: Vec::new() };
        }
        let used: std::collections::HashSet<char> =
            messages.iter().flat_map(|m| m.content.chars()).collect();
        let free = ('\u{100000}'..='\u{10fffd}').filter(|c| !used.contains(c));
        Masks {
            pairs: free.zip(found.into_iter().map(str::to_owned)).collect(),
        }
    }

    /// A text of a message with stand-ins.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (mask, token) in &self.pairs {
            masked = masked.replace(token, mask.encode_utf8(&mut [0; 4]));
        }
        masked
    }

    /// What was rendered, with the tokens in their places as characters.
    pub fn parts<'a>(&'a self, text: &'a str) -> Vec<Segment<'a>> {
        let mut parts = Vec::new();
        let mut from = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| *c >= '\u{100000}') {
            if let Some((_, token)) = self.pairs.iter().find(|(mask, _)| *mask == c) {
                parts.push(Segment {
                    text: &text[from..at],
                    special: true,
                });
                parts.push(Segment {
                    text: token,
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
