//! The longest archived beginning of a token sequence.

use std::sync::Arc;

use super::chain::{self, Name};
use super::past::Past;
use super::segment::Segment;
use crate::cache::PAGE;

/// Walks from segment to segment. `behind` gives those that begin behind a sequence's name and may
/// share tokens with what follows there.
pub fn longest(
    fingerprint: &[u8; 32],
    ids: &[u32],
    mut behind: impl FnMut(&Name, &[u32]) -> Vec<Arc<Segment>>,
) -> Past {
    let names = chain::pages(fingerprint, ids);
    let mut past = Past::default();
    // A page row of which only the first tokens are these.
    let mut part: Option<(Arc<Segment>, usize, usize)> = None;
    let mut page = 0;
    while let Some(name) = names.get(page) {
        let rest = &ids[page * PAGE..];
        let least = part.as_ref().map_or(0, |(_, _, tokens)| *tokens);
        let shared = behind(name, rest)
            .into_iter()
            .map(|segment| (common(&segment.ids, rest), segment));
        let shared: Vec<_> = shared.collect();
        for (tokens, segment) in &shared {
            past.mark(segment, page * PAGE, *tokens);
        }
        let best = shared
            .into_iter()
            .filter(|(tokens, _)| *tokens > least)
            .max_by_key(|(tokens, _)| *tokens);
        let Some((tokens, segment)) = best else { break };
        for row in 0..tokens / PAGE {
            past.push(&segment, row, PAGE);
        }
        page += tokens / PAGE;
        part = match tokens % PAGE {
            0 => None,
            some => Some((segment, tokens / PAGE, some)),
        };
        if tokens < PAGE {
            break;
        }
    }
    if let Some((segment, row, tokens)) = part {
        past.push(&segment, row, tokens);
    }
    past
}

/// Tokens that both begin with.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
