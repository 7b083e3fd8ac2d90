//! ROUGE-L in the two forms that benchmarks use.

use std::collections::HashSet;

/// Words of a text that are compared: the table of a pair of longer ones would take hundreds of megabytes.
const MOST: usize = 8192;

/// The F of ROUGE-L as the Python package `rouge` has it, which LongBench uses: sentences end at full
/// stops; a reference sentence's common subsequences with all sentences of the answer are joined; words
/// count once.
pub fn rouge_l(said: &str, answer: &str) -> f64 {
    let (said, answer) = (sentences(said), sentences(answer));
    if said.is_empty() || answer.is_empty() {
        return 0.0;
    }
    let mut common: HashSet<&str> = HashSet::new();
    for reference in &answer {
        for sentence in &said {
            common.extend(subsequence(reference, sentence));
        }
    }
    let distinct = |all: &[Vec<&str>]| all.iter().flatten().collect::<HashSet<_>>().len() as f64;
    let recall = common.len() as f64 / distinct(&answer);
    let precision = common.len() as f64 / distinct(&said);
    2.0 * (precision * recall / (precision + recall + 1e-8))
}

/// Words of the sentences, up to [`MOST`] in all. A sentence of nothing but white space is one of one
/// empty word.
fn sentences(text: &str) -> Vec<Vec<&str>> {
    let mut left = MOST;
    let parts = text.split('.').filter(|part| !part.is_empty());
    let bounded = parts.map_while(|part| {
        let words: Vec<&str> = part.split_whitespace().take(left).collect();
        let words = if words.is_empty() { vec![""] } else { words };
        left = left.checked_sub(words.len())?;
        Some(words)
    });
    bounded.collect()
}

/// The F of the longest common subsequence of lower-case words of letters and digits: the package
/// `rouge_score`, which L-Eval uses.
pub fn lcs(said: &str, answer: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        let parts = lower.split(|c: char| !c.is_ascii_alphanumeric());
        let filled = parts.filter(|word| !word.is_empty());
        filled.take(MOST).map(str::to_owned).collect()
    };
    let (said, answer) = (words(said), words(answer));
    let (said, answer): (Vec<&str>, Vec<&str>) = (
        said.iter().map(String::as_str).collect(),
        answer.iter().map(String::as_str).collect(),
    );
    let common = subsequence(&answer, &said).len() as f64;
    if common == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (common / said.len() as f64, common / answer.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

/// A longest common subsequence, from its end; of equal ways the one that shortens `y`, as the
/// reference does.
fn subsequence<'a>(x: &[&'a str], y: &[&str]) -> Vec<&'a str> {
    let wide = y.len() + 1;
    let mut table = vec![0u16; (x.len() + 1) * wide];
    for (i, a) in x.iter().enumerate() {
        for (j, b) in y.iter().enumerate() {
            table[(i + 1) * wide + j + 1] = match a == b {
                true => table[i * wide + j] + 1,
                false => table[i * wide + j + 1].max(table[(i + 1) * wide + j]),
            };
        }
    }
    let (mut i, mut j) = (x.len(), y.len());
    let mut out = Vec::new();
    while i > 0 && j > 0 {
        if x[i - 1] == y[j - 1] {
            out.push(x[i - 1]);
            (i, j) = (i - 1, j - 1);
        } else if table[(i - 1) * wide + j] > table[i * wide + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the package `rouge` 1.0.1.
    #[test]
    fn summary_level_rouge_is_the_packages() {
        for (said, answer, f) in ROUGE {
            let own = rouge_l(said, answer);
            assert!((own - f).abs() < 1e-9, "{said:?} {answer:?}: {own} {f}");
        }
    }

    const ROUGE: [(&str, &str, f64); 7] = [
        (
            "the cat sat on the mat",
            "a cat was on the mat",
            0.7272727223140496,
        ),
        (
            "It rained. The cat sat. It slept.",
            "The cat slept. It rained all day long.",
            0.7142857093877552,
        ),
        (
            "w1 w2 w6 w7 w8. w1 w3 w8 w9 w5",
            "w1 w2 w3 w4 w5",
            0.6153846106508877,
        ),
        ("a b a b c d", "b a d c a b. c d c", 0.999999995),
        ("one two three", "four five", 0.0),
        (" . a b", "a b", 0.7999999952000001),
        ("x y z x y. z z y x", "z y x. x y z y", 0.999999995),
    ];

    /// Whatever a data file holds, the work has a bound: of many sentences as of one.
    #[test]
    fn long_references_are_compared_up_to_a_bound() {
        let words = |n: usize| "x ".repeat(n);
        for text in [
            words(20 * MOST),
            "x. ".repeat(20 * MOST),
            " .".repeat(20 * MOST),
        ] {
            let all = sentences(&text);
            assert_eq!(all.iter().map(Vec::len).sum::<usize>(), MOST);
        }
        let long = "x. ".repeat(1_000_000);
        assert!((rouge_l("x", &long) - 0.999999995).abs() < 1e-9);
    }

    #[test]
    fn the_longest_common_subsequence_is_of_words() {
        assert_eq!(lcs("The cat sat.", "the CAT sat"), 1.0);
        // 3 of 4 said, 3 of 6 wanted.
        assert!(
            (lcs("police kill the gunman", "police killed the gunman in town") - 0.6).abs() < 1e-12
        );
        assert_eq!(lcs("", "a"), 0.0);
    }
}
