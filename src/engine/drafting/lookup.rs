//! Where the last few tokens stood before, and what followed them there.

/// Tokens that must be the same at least: single ones come again everywhere.
const LEAST: usize = 2;
/// Tokens of a match that are counted.
pub(super) const COUNTED: usize = 8;

/// A continuation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// How many tokens before it are the same, [`COUNTED`] at most.
    pub matched: usize,
    pub tokens: Vec<u32>,
}

/// What followed the last tokens of `tokens` and `next` where most of them stood before; of equal places
/// the latest. `most` tokens, more than zero: what runs into the end goes on as a loop does.
pub(super) fn look_up(tokens: &[u32], next: u32, most: usize) -> Option<Found> {
    let (&last, before) = tokens.split_last()?;
    let mut best: Option<(usize, usize)> = None;
    for (at, pair) in tokens.windows(LEAST).enumerate().rev() {
        if pair != [last, next] {
            continue;
        }
        let backward = tokens[..at].iter().rev().zip(before.iter().rev());
        let same = backward.take(COUNTED - LEAST);
        let matched = LEAST + same.take_while(|(a, b)| a == b).count();
        if best.is_none_or(|(_, longest)| matched > longest) {
            best = Some((at + LEAST, matched));
        }
        if matched == COUNTED {
            break;
        }
    }
    let (from, matched) = best?;
    let mut found = Found {
        matched,
        tokens: Vec::with_capacity(most),
    };
    for at in from..from + most {
        let behind = at.checked_sub(tokens.len());
        found.tokens.push(match behind {
            None => tokens[at],
            Some(0) => next,
            Some(behind) => found.tokens[behind - 1],
        });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_match_wins_and_then_the_latest() {
        let found = |tokens: &[u32], next| look_up(tokens, next, 3);
        let of = |matched, tokens: &[u32]| {
            Some(Found {
                matched,
                tokens: tokens.to_vec(),
            })
        };
        let text = [1, 2, 3, 10, 9, 2, 3, 20, 7, 8, 1, 2];
        assert_eq!(found(&text, 3), of(3, &[10, 9, 2]));
        let text = [1, 2, 3, 10, 9, 2, 3, 20, 7, 8, 2];
        assert_eq!(found(&text, 3), of(2, &[20, 7, 8]));
        assert_eq!(found(&text, 11), None);
        assert_eq!(found(&[], 1), None);
        assert_eq!(found(&[1], 1), None);
        // A loop goes round and round.
        assert_eq!(found(&[5, 6, 5], 6), of(2, &[5, 6, 5]));
        assert_eq!(found(&[4, 4], 4), of(2, &[4, 4, 4]));
    }

    proptest! {
        /// Against every place, one after the other.
        #[test]
        fn it_finds_what_a_plain_search_finds(
            tokens in proptest::collection::vec(0u32..4, 0..60),
            next in 0u32..4,
            most in 1usize..12,
        ) {
            let mut all = tokens.clone();
            all.push(next);
            let matched = |end: usize| {
                let same = all[..end].iter().rev().zip(all.iter().rev());
                same.take(COUNTED).take_while(|(a, b)| a == b).count()
            };
            let best = (LEAST..all.len()).max_by_key(|&end| (matched(end), end));
            let best = best.filter(|&end| matched(end) >= LEAST);
            let found = look_up(&tokens, next, most);
            prop_assert_eq!(found.is_some(), best.is_some());
            if let (Some(found), Some(end)) = (found, best) {
                prop_assert_eq!(found.matched, matched(end));
                let mut grown = all.clone();
                for i in 0..most {
                    grown.push(grown[end + i]);
                }
                prop_assert_eq!(&found.tokens[..], &grown[all.len()..]);
            }
        }
    }
}
