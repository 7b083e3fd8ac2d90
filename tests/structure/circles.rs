//! Circles of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// The nodes that reach each other, each group sorted; nodes that reach nobody back are left out.
pub fn circles<'g>(graph: &BTreeMap<&'g str, BTreeSet<&'g str>>) -> Vec<Vec<&'g str>> {
    let reached = |from: &'g str| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
        while let Some(node) = waiting.pop() {
            let next = graph.get(node).into_iter().flatten();
            waiting.extend(next.filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|n| (*n, reached(n))).collect();
    let mut found: Vec<Vec<&str>> = Vec::new();
    for (node, seen) in &reach {
        let back = |other: &&&str| reach.get(**other).is_some_and(|seen| seen.contains(node));
        let circle: Vec<&str> = seen.iter().filter(back).copied().collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}
