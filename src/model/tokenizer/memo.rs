//! What was tokenised before: a paste is counted, asked, and read again with every later turn, and
//! each of its lines is tokenised once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::AHashMap;

use super::class::space;

/// Shorter texts are not worth remembering.
const LEAST: usize = 1 << 10;
/// Longest run of lines that is remembered as one.
const LONGEST: usize = 1 << 14;
/// One line in so many ends a run, by what it says: so that a text is cut the same wherever it
/// stands in another.
const ONE_IN: u64 = 16;
/// Bytes of text that are remembered, twice: what was of use lately, and what was before that.
const MOST: usize = 16 << 20;

type Known = AHashMap<Box<str>, Arc<[u32]>>;

#[derive(Default)]
pub struct Memo {
    known: Mutex<Generations>,
    /// Bytes that had to be tokenised.
    fresh: AtomicU64,
}

#[derive(Default)]
struct Generations {
    young: Known,
    old: Known,
    /// Of the young one's texts.
    bytes: usize,
}

impl Memo {
    /// Appends the ids of `text` to `out`, tokenising what is new by `tokenise`.
    pub fn encode<E>(
        &self,
        text: &str,
        out: &mut Vec<u32>,
        tokenise: impl Fn(&str, &mut Vec<u32>) -> Result<(), E>,
    ) -> Result<(), E> {
        if text.len() < LEAST {
            self.fresh.fetch_add(text.len() as u64, Ordering::Relaxed);
            return tokenise(text, out);
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (run, behind) = rest.split_at(run_end(rest));
            rest = behind;
            let known = self.lock().find(run);
            if let Some(ids) = known {
                out.extend_from_slice(&ids);
                continue;
            }
            self.fresh.fetch_add(run.len() as u64, Ordering::Relaxed);
            let start = out.len();
            tokenise(run, out)?;
            self.lock().insert(run.into(), out[start..].into());
        }
        Ok(())
    }

    /// Bytes of text that were not found here.
    pub fn fresh(&self) -> u64 {
        self.fresh.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, text: &str) -> Option<Arc<[u32]>> {
        if let Some(ids) = self.young.get(text) {
            return Some(ids.clone());
        }
        let (text, ids) = self.old.remove_entry(text)?;
        self.insert(text, ids.clone());
        Some(ids)
    }

    fn insert(&mut self, text: Box<str>, ids: Arc<[u32]>) {
        if self.bytes + text.len() > MOST {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += text.len();
        self.young.insert(text, ids);
    }
}

/// Where the first run of lines of `text` ends.
///
/// No pre-tokenizer joins what stands on both sides of a single line end between two characters
/// that are no space, and what it makes of either side does not depend on the other: whitespace
/// looks ahead only behind more whitespace.
fn run_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut line = 0;
    for at in memchr_lines(bytes) {
        let ends_line = at > 0 && !space_before(text, at) && !space_at(text, at + 1);
        if ends_line {
            let end = at + 1;
            if end >= LONGEST || hash(&bytes[line..at]).is_multiple_of(ONE_IN) {
                return end;
            }
        }
        line = at + 1;
    }
    text.len()
}

/// Places of the line ends.
fn memchr_lines(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let all = bytes.iter().enumerate();
    all.filter(|(_, b)| **b == b'\n').map(|(at, _)| at)
}

fn space_before(text: &str, at: usize) -> bool {
    let last = text[..at].chars().next_back();
    last.is_none_or(spacelike)
}

/// Also at the end of the text, where there is nothing to cut off.
fn space_at(text: &str, at: usize) -> bool {
    let next = text[at..].chars().next();
    next.is_none_or(spacelike)
}

/// A space to a pre-tokenizer, or to anyone else.
fn spacelike(c: char) -> bool {
    space(c) || c.is_whitespace()
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::split::Split;
    use super::*;
    use proptest::prelude::*;

    /// One id for each piece of a pre-tokenizer: what must not depend on where a text is cut.
    fn pieces(split: Split) -> impl Fn(&str, &mut Vec<u32>) -> Result<(), ()> {
        move |text, out| {
            split.pieces(text, |piece| out.push(hash(piece.as_bytes()) as u32));
            Ok(())
        }
    }

    const SPLITS: [Split; 4] = [
        Split::Gpt2,
        Split::DigitsGpt2,
        Split::Llama3 { digits: 3 },
        Split::Default,
    ];

    #[test]
    fn a_text_within_another_is_tokenised_once() {
        let text: String = (0..400)
            .map(|i| format!("line {i}: some words\n"))
            .collect();
        let memo = Memo::default();
        let tokenise = pieces(Split::Gpt2);
        let mut out = Vec::new();
        memo.encode(&text, &mut out, &tokenise).unwrap();
        let first = memo.fresh();
        assert_eq!(first, text.len() as u64);
        let asked = format!("user\n[notes]\n{text}\nWhat does line 7 say?");
        out.clear();
        memo.encode(&asked, &mut out, &tokenise).unwrap();
        let mut plain = Vec::new();
        tokenise(&asked, &mut plain).unwrap();
        assert_eq!(out, plain);
        assert!(memo.fresh() - first < 3000, "{}", memo.fresh() - first);
        out.clear();
        let before = memo.fresh();
        memo.encode(&asked, &mut out, &tokenise).unwrap();
        assert_eq!(memo.fresh(), before);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let memo = Memo::default();
        for i in 0..40 {
            let text = format!("{i} {}\n", "x".repeat(1 << 20));
            memo.encode(&text, &mut Vec::new(), pieces(Split::Gpt2))
                .unwrap();
        }
        let known = memo.lock();
        let bytes = |known: &Known| known.keys().map(|t| t.len()).sum::<usize>();
        assert!(bytes(&known.young) <= MOST && bytes(&known.old) <= MOST);
    }

    proptest! {
        /// Whatever the text: spaces, line ends, digits, signs, letters of any kind.
        #[test]
        fn cutting_never_changes_the_pieces(
            words in prop::collection::vec("[ \\t\\r\\n]{0,3}[a-z0-9'.,é漢😀\\u{a0}\\u{2028}\u{3000}]{0,6}[ \\n]?", 300..700),
        ) {
            let text: String = words.concat();
            for split in SPLITS {
                let (mut plain, mut cut) = (Vec::new(), Vec::new());
                pieces(split)(&text, &mut plain).unwrap();
                Memo::default().encode(&text, &mut cut, pieces(split)).unwrap();
                prop_assert_eq!(&plain, &cut, "{:?}", split);
            }
        }
    }
}
