//! What was tokenised before: a paste is counted, asked, and read again with every later turn, and
//! each of its lines is tokenised once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::AHashMap;

use super::split::Split;

/// Shorter texts are not worth remembering.
const LEAST: usize = 1 << 10;
/// Longest run of lines that is remembered as one.
const LONGEST: usize = 1 << 14;
/// One line in so many ends a run, by what it says: so that a text is cut the same wherever it
/// stands in another.
const ONE_IN: u64 = 16;
/// A longer run (lines without an end to cut at) is not remembered.
const MOST_OF_ONE: usize = 1 << 20;
/// Bytes that are remembered, texts and ids, twice: what was of use lately, and what was before that.
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
    /// Of the young one's texts and ids.
    bytes: usize,
}

impl Memo {
    /// Appends the ids of `text` to `out`, tokenising what is new by `tokenise`, which cuts by
    /// `split`.
    pub fn encode<E>(
        &self,
        split: Split,
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
            let (run, behind) = rest.split_at(run_end(rest, split));
            rest = behind;
            let worth = run.len() <= MOST_OF_ONE;
            let known = worth.then(|| self.lock().find(run)).flatten();
            if let Some(ids) = known {
                out.extend_from_slice(&ids);
                continue;
            }
            self.fresh.fetch_add(run.len() as u64, Ordering::Relaxed);
            let start = out.len();
            tokenise(run, out)?;
            if worth {
                self.lock().insert(run.into(), out[start..].into());
            }
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
        let bytes = text.len() + std::mem::size_of_val(&*ids);
        if self.bytes + bytes > MOST {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(text, ids);
    }
}

/// Where the first run of lines of `text` ends.
fn run_end(text: &str, split: Split) -> usize {
    let bytes = text.as_bytes();
    let line_ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
    let (mut line, mut said) = (0, 1);
    for (at, _) in line_ends {
        let cut = split.cut_at(text, at).filter(|end| *end > 0);
        // Blank lines say nothing: they end a run if the last that said something does.
        if !text[line..at].trim().is_empty() {
            said = hash(&bytes[line..at]);
        }
        line = at + 1;
        if let Some(end) = cut
            && (end >= LONGEST || said.is_multiple_of(ONE_IN))
        {
            return end;
        }
    }
    text.len()
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Work;
    use proptest::prelude::*;
    use std::time::Duration;

    /// One id for each piece of a pre-tokenizer: what must not depend on where a text is cut.
    fn pieces(split: Split) -> impl Fn(&str, &mut Vec<u32>) -> Result<(), ()> {
        move |text, out| {
            split.pieces(text, |piece| out.push(hash(piece.as_bytes()) as u32));
            Ok(())
        }
    }

    fn splits() -> impl Iterator<Item = (&'static str, Split)> {
        let nowhere = ["poro-chat", "viking", "superbpe"];
        Split::all().filter(move |(name, _)| !nowhere.contains(name))
    }

    #[test]
    fn a_text_within_another_is_tokenised_once() {
        // Plain lines, paragraphs with blank lines between, indented code, Windows' line ends.
        let shapes = [
            "line # of some words\n",
            "A paragraph, #.\n\n",
            "    let x = #;\n",
            "l #\r\n",
        ];
        let all = shapes
            .iter()
            .flat_map(|s| splits().map(move |split| (s, split)));
        for (shape, (name, split)) in all {
            let lines = (0..600).map(|i| shape.replace('#', &(i * i).to_string()));
            let text: String = lines.collect();
            let memo = Memo::default();
            let tokenise = pieces(split);
            let mut out = Vec::new();
            memo.encode(split, &text, &mut out, &tokenise).unwrap();
            let first = memo.fresh();
            assert_eq!(first, text.len() as u64);
            let asked = format!("user\n[notes]\n{text}\nWhat does line 7 say?");
            out.clear();
            memo.encode(split, &asked, &mut out, &tokenise).unwrap();
            let mut plain = Vec::new();
            tokenise(&asked, &mut plain).unwrap();
            assert_eq!(out, plain);
            let again = memo.fresh() - first;
            assert!(again < 3000, "{shape:?} {name}: {again} of {first} again");
            out.clear();
            let before = memo.fresh();
            memo.encode(split, &asked, &mut out, &tokenise).unwrap();
            assert_eq!(memo.fresh(), before);
        }
    }

    /// However white space is put together, and by every pre-tokenizer.
    #[test]
    fn a_long_run_of_line_ends_is_gone_through_once() {
        for run in ["\n", "\r\n", "\n ", " \n\t", "\n\u{3000}", "\n\u{2028}"] {
            let text = format!("a{}b", run.repeat(200_000 / run.len()));
            for (name, split) in Split::all() {
                let work = Work::begin();
                let tokenise = pieces(split);
                Memo::default()
                    .encode(split, &text, &mut Vec::new(), tokenise)
                    .unwrap();
                // Linear is some milliseconds; what is quadratic takes ten seconds.
                assert!(work.done() < Duration::from_secs(2), "{name} {run:?}");
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let memo = Memo::default();
        for i in 0..40 {
            let text = format!("{i} {}\n", "x".repeat((1 << 20) - 20));
            let split = Split::by_name("gpt-2").unwrap();
            memo.encode(split, &text, &mut Vec::new(), pieces(split))
                .unwrap();
        }
        let known = memo.lock();
        let bytes = |known: &Known| known.keys().map(|t| t.len()).sum::<usize>();
        assert!(bytes(&known.young) <= MOST && bytes(&known.old) <= MOST);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the text: spaces, line ends, digits, signs, letters of any kind.
        #[test]
        fn cutting_never_changes_the_pieces(
            words in prop::collection::vec("[ \\t\\r\\n]{0,3}[a-z0-9'.,é漢😀\\u{a0}\\u{2028}\u{3000}]{0,6}[ \\n]?", 300..700),
        ) {
            let text: String = words.concat();
            for (name, split) in Split::all() {
                let (mut plain, mut cut) = (Vec::new(), Vec::new());
                pieces(split)(&text, &mut plain).unwrap();
                Memo::default().encode(split, &text, &mut cut, pieces(split)).unwrap();
                prop_assert_eq!(&plain, &cut, "{}", name);
            }
        }
    }
}
