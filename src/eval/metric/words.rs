//! F1 over words, as LongBench takes it over from SQuAD.

use std::collections::HashMap;

/// Lower case, without ASCII punctuation and articles; words parted by one space.
pub fn normalised(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let mut kept = String::with_capacity(plain.len());
    let mut word = String::new();
    // An article is a whole run of letters and digits.
    for c in plain.chars().chain([' ']) {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "a" | "an" | "the" => kept.push(' '),
            _ => kept.push_str(&word),
        }
        word.clear();
        kept.push(c);
    }
    let words: Vec<&str> = kept.split_whitespace().collect();
    words.join(" ")
}

/// `qa_f1_score`.
pub fn f1(said: &str, answer: &str) -> f64 {
    let (said, answer) = (normalised(said), normalised(answer));
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let filled = |text: &str| match text.is_empty() {
        true => Vec::new(),
        false => words(text),
    };
    overlap(&filled(&said), &filled(&answer))
}

/// Punctuation that `qa_f1_zh_score` drops beside ASCII's.
const PUNCTUATION: &str = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.";

/// `qa_f1_zh_score`, over [`segments`].
pub fn f1_zh(said: &str, answer: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let plain = |word: String| -> String {
            let dropped = |c: &char| {
                c.is_ascii_punctuation() || c.is_whitespace() || PUNCTUATION.contains(*c)
            };
            word.to_lowercase()
                .chars()
                .filter(|c| !dropped(c))
                .collect()
        };
        let all = segments(text).into_iter().map(plain);
        all.filter(|word| !word.is_empty()).collect()
    };
    overlap(&words(said), &words(answer))
}

/// Chinese has no spaces. LongBench segments it with jieba, a dictionary of megabytes; here every
/// character outside ASCII is a word, and ASCII letters and digits stay together. Scores of Chinese sets
/// are therefore somewhat higher than published ones, for all policies alike.
fn segments(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let joins = c.is_ascii_alphanumeric();
        match out.last_mut() {
            Some(last) if open && joins => last.push(c),
            _ => out.push(c.to_string()),
        }
        open = joins;
    }
    out
}

/// The segments with spaces between them.
pub fn spaced(text: &str) -> String {
    segments(text).join(" ")
}

/// F1 of two bags of words.
fn overlap(said: &[String], answer: &[String]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in answer {
        *left.entry(word).or_default() += 1;
    }
    let mut same = 0usize;
    for word in said {
        if let Some(n) = left.get_mut(word.as_str()).filter(|n| **n > 0) {
            *n -= 1;
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    let precision = same as f64 / said.len() as f64;
    let recall = same as f64 / answer.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_goes_before_articles() {
        assert_eq!(normalised("The  quick, a-brown\nFOX!"), "quick abrown fox");
        assert_eq!(normalised("A theory of an area"), "theory of area");
        assert_eq!(normalised("U.S.A. the–end"), "usa –end");
        assert_eq!(normalised("the"), "");
    }

    /// Worked by hand from the published code.
    #[test]
    fn f1_is_that_of_the_published_definition() {
        assert_eq!(f1("It was the cat.", "A cat"), 0.5);
        assert!((f1("new york city new", "New York") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(f1("the", "the"), 0.0);
        assert_eq!(f1("", "x"), 0.0);
        assert_eq!(f1_zh("北京，中国", "北京"), 2.0 / 3.0);
        assert_eq!(f1_zh("共有 12 人。", "12人"), 2.0 / 3.0);
        assert_eq!(f1_zh("。", "。"), 0.0);
    }
}
