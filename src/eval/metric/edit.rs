//! How alike two lines of code are: `fuzz.ratio` over Python's `difflib`, which LongBench uses.

use std::collections::HashMap;

/// Of the answer, the first line that has no mark of a comment or of Markdown.
pub fn code(said: &str, answer: &str) -> f64 {
    let mut lines = said.trim_start_matches('\n').split('\n');
    let line =
        lines.find(|line| !line.contains('`') && !line.contains('#') && !line.contains("//"));
    let line = line.unwrap_or_default();
    if line == answer {
        return 1.0;
    }
    if line.is_empty() || answer.is_empty() {
        return 0.0;
    }
    (100.0 * ratio(line, answer)).round_ties_even() / 100.0
}

/// Characters of a line that are compared.
const MOST: usize = 4096;
/// From this length on, characters that are more than a hundredth of `b` begin no match.
const POPULAR: usize = 200;

/// `SequenceMatcher(None, a, b).ratio()`: matching blocks, the longest first (Ratcliff and Obershelp).
fn ratio(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(MOST).collect(),
        b.chars().take(MOST).collect(),
    );
    let mut places: HashMap<char, Vec<usize>> = HashMap::new();
    for (j, &c) in b.iter().enumerate() {
        places.entry(c).or_default().push(j);
    }
    if b.len() >= POPULAR {
        let most = b.len() / 100 + 1;
        places.retain(|_, at| at.len() <= most);
    }
    let mut same = 0;
    let mut waiting = vec![(0, a.len(), 0, b.len())];
    while let Some((from_a, to_a, from_b, to_b)) = waiting.pop() {
        let (i, j, len) = longest(&a, &b, &places, (from_a, to_a, from_b, to_b));
        if len == 0 {
            continue;
        }
        same += len;
        waiting.push((from_a, i, from_b, j));
        waiting.push((i + len, to_a, j + len, to_b));
    }
    match a.len() + b.len() {
        0 => 1.0,
        total => 2.0 * same as f64 / total as f64,
    }
}

/// The longest run that both ranges share, the first in `a`, then in `b`, of equals: where it begins
/// and how long it is.
fn longest(
    a: &[char],
    b: &[char],
    places: &HashMap<char, Vec<usize>>,
    (from_a, to_a, from_b, to_b): (usize, usize, usize, usize),
) -> (usize, usize, usize) {
    let (mut best_i, mut best_j, mut best) = (from_a, from_b, 0);
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for (i, c) in a.iter().enumerate().take(to_a).skip(from_a) {
        let mut next = HashMap::new();
        for &j in places.get(c).into_iter().flatten() {
            if !(from_b..to_b).contains(&j) {
                continue;
            }
            let before = j.checked_sub(1).and_then(|j| ending.get(&j).copied());
            let len = before.unwrap_or(0) + 1;
            next.insert(j, len);
            if len > best {
                (best_i, best_j, best) = (i + 1 - len, j + 1 - len, len);
            }
        }
        ending = next;
    }
    // Popular characters join a match that others began.
    while best_i > from_a && best_j > from_b && a[best_i - 1] == b[best_j - 1] {
        (best_i, best_j, best) = (best_i - 1, best_j - 1, best + 1);
    }
    while best_i + best < to_a && best_j + best < to_b && a[best_i + best] == b[best_j + best] {
        best += 1;
    }
    (best_i, best_j, best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Python's `difflib`.
    #[test]
    fn blocks_are_found_as_difflib_finds_them() {
        for (a, b, expected) in DIFFLIB {
            let own = ratio(a, b);
            assert!(
                (own - expected).abs() < 1e-12,
                "{a:?} {b:?}: {own} {expected}"
            );
        }
    }

    #[test]
    fn popular_characters_begin_no_match_in_long_lines() {
        assert_eq!(ratio(&"ab".repeat(120), &"ba".repeat(120)), 0.0);
        let (a, b) = ("a,b,c,d ".repeat(30) + "xyz", "d,c,b,a ".repeat(30) + "xyz");
        assert!((ratio(&a, &b) - 0.01646090534979424).abs() < 1e-12);
    }

    const DIFFLIB: [(&str, &str, f64); 4] = [
        ("return x", "return y", 0.875),
        (
            "for i in range(10):",
            "    for (int i = 0; i < 10; i++) {",
            0.41509433962264153,
        ),
        ("abcd", "bcde", 0.75),
        (
            "private Thread currentThread;",
            "private volatile Thread currentThread;",
            0.8656716417910447,
        ),
    ];

    #[test]
    fn the_first_line_of_code_counts() {
        assert_eq!(
            code("\n\n```python\n# a comment\nreturn x\ny = 1", "return x"),
            1.0
        );
        assert_eq!(code("# only\n// comments", "return x"), 0.0);
        assert_eq!(code("return y", "return x"), 0.88);
    }
}
