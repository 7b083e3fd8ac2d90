//! BPE (`gpt2` and `gemma4` vocabularies): pieces by the file's pre-tokenizer, merges by the
//! `tokenizers` crate.

use super::bytes;
use super::error::TokenizerError;
use super::memo::Memo;
use super::split::Split;
use super::spm;
use ahash::AHashMap;
use tokenizers::Model;
use tokenizers::models::bpe::BPE;

/// Longer pieces (one word of so many bytes) are merged part by part, for merging takes some hundred
/// bytes of memory for each of theirs.
const LONGEST: usize = 16 << 10;
/// Longest piece remembered while encoding a text, in bytes, and how many of them.
const CACHED_LEN: usize = 48;
const CACHED_PIECES: usize = 1 << 16;

pub struct Bpe {
    split: Split,
    model: BPE,
    memo: Memo,
    /// No token goes on behind a space: long pieces may be cut before one.
    words: bool,
}

impl Bpe {
    /// From the vocabulary (in GPT-2's alphabet, or plain) and its merges, `left right`, best first.
    pub fn new(tokens: &[&str], merges: &[&str], split: Split) -> Result<Self, TokenizerError> {
        let mut vocab = AHashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            vocab.insert((*token).to_owned(), id as u32);
        }
        let mut text = String::new();
        let mut pairs = Vec::with_capacity(merges.len());
        for merge in merges {
            // The separator is the first space after the first character, as in llama.cpp.
            let first = merge.chars().next().map_or(0, char::len_utf8);
            let Some(space) = merge[first..].find(' ') else {
                continue;
            };
            let (left, right) = (&merge[..first + space], &merge[first + space + 1..]);
            text.clear();
            text.push_str(left);
            text.push_str(right);
            // The crate refuses merges of or into unknown tokens; without them the rest works.
            if [left, right, &text].iter().all(|t| vocab.contains_key(*t)) {
                pairs.push((left.to_owned(), right.to_owned()));
            }
        }
        let model = BPE::builder()
            .vocab_and_merges(vocab, pairs)
            .cache_capacity(0)
            .ignore_merges(split.takes_whole())
            .byte_fallback(split.is_plain())
            .build()
            .map_err(TokenizerError::Build)?;
        let memo = Memo::default();
        Ok(Bpe {
            split,
            model,
            memo,
            words: split.is_plain() && spm::ends_with_words(tokens),
        })
    }

    /// Whether the vocabulary is written in GPT-2's alphabet.
    pub fn is_byte_level(&self) -> bool {
        !self.split.is_plain()
    }

    /// Appends the ids of `text` to `out`.
    pub fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<(), TokenizerError> {
        self.memo
            .encode(self.split, text, out, |text, out| self.merge(text, out))
    }

    /// Bytes of text that were tokenised, and not found among what was before.
    pub fn tokenised(&self) -> u64 {
        self.memo.fresh()
    }

    /// The token of line ends that is `piece` as a whole: no merge makes it.
    fn line_ends(&self, piece: &str) -> Option<u32> {
        let all = piece.bytes().all(|b| b == b'\n');
        all.then(|| self.model.token_to_id(piece)).flatten()
    }

    fn merge(&self, text: &str, out: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let mut known: AHashMap<&str, Vec<u32>> = AHashMap::new();
        let mut mapped = String::new();
        let mut failed = None;
        let mut last: (&str, Vec<u32>) = ("", Vec::new());
        self.split.pieces(text, |piece| {
            for piece in parts(piece, self.words) {
                // One letter, a million times: every part is like the one before.
                if piece.len() > CACHED_LEN && piece == last.0 {
                    out.extend_from_slice(&last.1);
                    continue;
                }
                if let Some(ids) = known.get(piece) {
                    out.extend_from_slice(ids);
                    continue;
                }
                mapped.clear();
                if self.is_byte_level() {
                    mapped.extend(piece.bytes().map(bytes::to_char));
                } else if let Some(id) = self.line_ends(piece) {
                    out.push(id);
                    continue;
                } else {
                    mapped.push_str(&piece.replace(' ', spm::SPACE));
                }
                match self.model.tokenize(&mapped) {
                    Ok(tokens) => {
                        let start = out.len();
                        out.extend(tokens.iter().map(|token| token.id));
                        if piece.len() > LONGEST / 2 {
                            last = (piece, out[start..].to_vec());
                        } else if piece.len() <= CACHED_LEN && known.len() < CACHED_PIECES {
                            known.insert(piece, out[start..].to_vec());
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
        });
        failed.map_or(Ok(()), |error| Err(TokenizerError::Build(error)))
    }
}

/// A piece in parts of at most [`LONGEST`] bytes, that end before a space where `words` and one is
/// there.
fn parts(piece: &str, words: bool) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let most = rest.floor_char_boundary(LONGEST);
        let bytes = rest.as_bytes();
        let word = (LONGEST / 2..most).rfind(|&at| bytes[at] == b' ' && bytes[at - 1] != b' ');
        let word = word.filter(|_| words && most < rest.len());
        let (part, behind) = rest.split_at(word.unwrap_or(most));
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}
