//! Words to be counted.

use super::made::Made;
use super::words;
use crate::random::Random;

/// Words that are common.
const COMMON: usize = 10;
/// Texts shorter than this repeat their words less.
const LONG: usize = 4096;

/// Ten words come often among `size` others, behind a shorter example with its answer.
pub fn common(size: usize, length: usize, random: &mut Random) -> Made {
    let (example, often, seldom) = match length < LONG {
        true => ((20, 3, 1), 6, 1),
        false => ((40, 10, 3), 30, 3),
    };
    let (shown, answer) = list(example.0, example.1, example.2, random);
    let numbered: Vec<String> = (1..)
        .zip(&answer)
        .map(|(i, w)| format!("{i}. {w}"))
        .collect();
    let (text, answers) = list(COMMON + size, often, seldom, random);
    Made {
        context: format!("{shown}{QUESTION}{LEAD} {}\n{text}", numbered.join(" ")),
        question: QUESTION.into(),
        lead: LEAD.into(),
        answers,
        depths: Vec::new(),
    }
}

const QUESTION: &str = "\nQuestion: What are the 10 most common words in the above list?";
const LEAD: &str = " Answer: The top 10 words that appear most often in the list are:";

/// `count` words in a numbered list; the first ten come `often`, the others `seldom`.
fn list(count: usize, often: usize, seldom: usize, random: &mut Random) -> (String, Vec<String>) {
    let different = words::different(count, random);
    let (common, others) = different.split_at(COMMON);
    let mut all: Vec<&str> = Vec::new();
    for (words, times) in [(common, often), (others, seldom)] {
        all.extend(
            words
                .iter()
                .flat_map(|w| std::iter::repeat_n(w.as_str(), times)),
        );
    }
    random.shuffle(&mut all);
    let numbered: Vec<String> = (1..).zip(all).map(|(i, w)| format!("{i}. {w}")).collect();
    let text = format!(
        "Below is a numbered list of words. In these words, some appear more often than others. \
         Memorize the ones that appear most often.\n{}",
        numbered.join(" ")
    );
    (text, common.to_vec())
}

/// The exponent of Zipf's law, and ζ of it.
const ALPHA: i32 = 2;
const ZETA: f64 = std::f64::consts::PI * std::f64::consts::PI / 6.0;

/// `size` coded words whose frequencies fall with the square of their rank; the first is noise.
pub fn frequent(size: usize, length: usize, random: &mut Random) -> Made {
    let vocabulary = (length / 50).max(8);
    let mut coded: Vec<String> = vec!["...".into()];
    while coded.len() < vocabulary {
        let word = words::letters(6, b'a', random);
        if !coded.contains(&word) {
            coded.push(word);
        }
    }
    // The three that are asked for come at least three, two and one times, so that their order is one.
    let counts = (1..).zip(&coded).map(|(rank, word)| {
        let times = size as f64 / f64::from(rank).powi(ALPHA) / ZETA;
        let least = usize::try_from(5 - rank).unwrap_or(0).min(3);
        (word.as_str(), (times as usize).max(least))
    });
    let mut all: Vec<&str> = counts
        .flat_map(|(word, times)| std::iter::repeat_n(word, times))
        .collect();
    random.shuffle(&mut all);
    Made {
        context: format!(
            "Read the following coded text and track the frequency of each coded word. Find the three \
             most frequently appeared coded words. {}",
            all.join(" ")
        ),
        question: "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are \
                   the three most frequently appeared words in the above coded text?"
            .into(),
        lead: " Answer: According to the coded text above, the three most frequently appeared words are:"
            .into(),
        answers: coded[1..4].to_vec(),
        depths: Vec::new(),
    }
}
