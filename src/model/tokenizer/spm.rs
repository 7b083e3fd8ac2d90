//! SentencePiece vocabularies (`llama`): the neighbours whose joint token scores best are merged
//! first; what is left over falls back to bytes.

use super::error::TokenizerError;
use crate::model::gguf::GgufFile;
use ahash::AHashMap;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Texts are encoded in parts of about so many bytes that end before a space, and of so many where
/// there is none.
const PART: usize = 64 << 10;
const LONGEST: usize = 1 << 20;

/// How a space is written in these vocabularies.
pub const SPACE: &str = "\u{2581}";

pub struct SentencePiece {
    /// Token → id and score.
    vocab: AHashMap<String, (u32, f32)>,
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    space_prefix: bool,
    /// No token goes on behind a space: what stands before one is encoded on its own.
    words: bool,
}

#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    /// 0 once it is merged into its left neighbour.
    len: usize,
    prev: Option<usize>,
    next: Option<usize>,
}

struct Bigram {
    left: usize,
    right: usize,
    score: f32,
    len: usize,
}

impl Ord for Bigram {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Bigram {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bigram {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bigram {}

impl SentencePiece {
    pub fn from_gguf(file: &GgufFile, tokens: &[&str]) -> Result<Self, TokenizerError> {
        let scores = file.get_f32s("tokenizer.ggml.scores")?.unwrap_or_default();
        if scores.len() != tokens.len() {
            return Err(TokenizerError::Vocabulary {
                what: "token scores are missing",
            });
        }
        let mut bytes = [None; 256];
        let mut vocab = AHashMap::with_capacity(tokens.len());
        for (id, (token, score)) in (0..).zip(tokens.iter().zip(scores)) {
            if let Some(byte) = byte_token(token) {
                bytes[usize::from(byte)] = Some(id);
            }
            // Zero has one sign only, as in llama.cpp's comparisons.
            vocab.insert((*token).to_owned(), (id, score + 0.0));
        }
        // Where a byte has no token of its own, its character's will do.
        for (byte, id) in (0..128u8).zip(&mut bytes) {
            *id = id.or_else(|| Some(vocab.get(char::from(byte).encode_utf8(&mut [0; 4]))?.0));
        }
        let unknown = file.get_u32("tokenizer.ggml.unknown_token_id")?.or(Some(0));
        Ok(SentencePiece {
            vocab,
            bytes,
            unknown: unknown.filter(|id| (*id as usize) < tokens.len()),
            space_prefix: file
                .get_bool("tokenizer.ggml.add_space_prefix")?
                .unwrap_or(true),
            words: ends_with_words(tokens),
        })
    }

    /// Appends the ids of `text`; `start` where it begins the whole or follows a control token.
    pub fn encode(&self, text: &str, start: bool, out: &mut Vec<u32>) {
        let (mut rest, mut start) = (text, start);
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(self.part_end(rest));
            self.encode_part(part, start, out);
            (rest, start) = (behind, false);
        }
    }

    /// Where the first part of `text` ends. Merging takes some fifty bytes for each of a part's, so
    /// that it has to end somewhere; if it can, where the ids stay those of the whole.
    fn part_end(&self, text: &str) -> usize {
        if text.len() <= PART {
            return text.len();
        }
        let most = text.floor_char_boundary(text.len().min(LONGEST));
        let bytes = text.as_bytes();
        let word = (PART..most).find(|&at| bytes[at] == b' ' && bytes[at - 1] != b' ');
        word.filter(|_| self.words).unwrap_or(most)
    }

    fn encode_part(&self, text: &str, start: bool, out: &mut Vec<u32>) {
        let mut escaped = text.replace(' ', SPACE);
        if start && self.space_prefix {
            escaped.insert_str(0, SPACE);
        }
        let mut symbols: Vec<Symbol> = Vec::with_capacity(escaped.len());
        for (at, c) in escaped.char_indices() {
            let i = symbols.len();
            let prev = i.checked_sub(1);
            symbols.push(Symbol {
                start: at,
                len: c.len_utf8(),
                prev,
                next: Some(i + 1),
            });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        let mut queue = BinaryHeap::new();
        let consider = |symbols: &[Symbol], left, right, queue: &mut BinaryHeap<Bigram>| {
            let (Some(left), Some(right)) = (left, right) else {
                return;
            };
            let (a, b): (Symbol, Symbol) = (symbols[left], symbols[right]);
            let len = a.len + b.len;
            if let Some((_, score)) = self.vocab.get(&escaped[a.start..a.start + len]) {
                queue.push(Bigram {
                    left,
                    right,
                    score: *score,
                    len,
                });
            }
        };
        for right in 1..symbols.len() {
            consider(&symbols, Some(right - 1), Some(right), &mut queue);
        }
        while let Some(Bigram {
            left, right, len, ..
        }) = queue.pop()
        {
            let (a, b) = (symbols[left], symbols[right]);
            // Out of date: one of them was merged meanwhile.
            if a.len == 0 || b.len == 0 || a.len + b.len != len {
                continue;
            }
            symbols[left].len = len;
            symbols[left].next = b.next;
            symbols[right].len = 0;
            if let Some(next) = b.next {
                symbols[next].prev = Some(left);
            }
            consider(&symbols, a.prev, Some(left), &mut queue);
            consider(&symbols, Some(left), b.next, &mut queue);
        }
        for symbol in symbols.iter().filter(|s| s.len > 0) {
            let token = &escaped[symbol.start..symbol.start + symbol.len];
            match self.vocab.get(token) {
                Some((id, _)) => out.push(*id),
                None => out.extend(
                    token
                        .bytes()
                        .filter_map(|b| self.bytes[usize::from(b)].or(self.unknown)),
                ),
            }
        }
    }
}

/// Whether no token goes on behind a space.
pub fn ends_with_words(tokens: &[&str]) -> bool {
    !tokens.iter().any(|token| {
        let word = token.trim_start_matches(SPACE);
        word.contains(SPACE) && !word.trim_end_matches(SPACE).is_empty()
    })
}

/// The byte of a token `<0xHH>`.
pub fn byte_token(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let two = hex.len() == 2 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    two.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}
