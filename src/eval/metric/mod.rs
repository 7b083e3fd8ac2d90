//! How an answer is scored, 0 to 1: as the benchmarks publish it, oddities included, so that figures
//! can be held against theirs.

mod babilong;
mod edit;
mod exam;
mod pick;
mod rouge;
pub mod table;
mod words;

pub use table::Rule;

use pick::mark;

/// A definition of what a right answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// LongBench: F1 of normalised words.
    F1,
    /// LongBench's F1 for Chinese; words are single characters here.
    F1Zh,
    /// LongBench: ROUGE-L of the `rouge` package (distinct words, summary level).
    RougeL,
    /// The same for Chinese; words are single characters here.
    RougeLZh,
    /// L-Eval: ROUGE-L of `rouge_score` (the longest common subsequence of lower-case words).
    Lcs,
    /// LongBench: the class that is named, among others perhaps.
    Classification,
    /// LongBench: similarity of the first line of code.
    EditSimilarity,
    /// LongBench: the share of the numbers named that are right.
    Count,
    /// LongBench: the same for the number of a paragraph.
    Retrieval,
    RetrievalZh,
    /// RULER: the share of the references that are said.
    MatchAll,
    /// RULER: any of them is said.
    MatchPart,
    /// The normalised words are those of an answer.
    Exact,
    /// An answer is said, case aside.
    Contains,
    /// The first letter from A to D (L-Eval's multiple choice).
    Choice,
    /// Letters; a part of the right ones is a quarter (L-Eval's Coursera).
    Choices,
    /// L-Eval: the number behind "The answer is", or the last one.
    Number,
    /// L-Eval: what a program prints.
    Printed,
    /// L-Eval: true or false in the world of the document.
    Truth,
    /// L-Eval: a number, or a text that is said in the first line.
    Exam,
    /// BABILong: the one label that is named in the first sentence.
    Label,
    /// Of the options, the one that is likeliest per character.
    Likelihood,
    /// Of the options, the one that is likeliest as a whole.
    LikelihoodRaw,
}

impl Metric {
    /// As data files and records name it.
    pub const NAMES: [(&'static str, Metric); 23] = [
        ("f1", Metric::F1),
        ("f1-zh", Metric::F1Zh),
        ("rouge-l", Metric::RougeL),
        ("rouge-l-zh", Metric::RougeLZh),
        ("lcs", Metric::Lcs),
        ("classification", Metric::Classification),
        ("edit-similarity", Metric::EditSimilarity),
        ("count", Metric::Count),
        ("retrieval", Metric::Retrieval),
        ("retrieval-zh", Metric::RetrievalZh),
        ("match-all", Metric::MatchAll),
        ("match-part", Metric::MatchPart),
        ("exact", Metric::Exact),
        ("contains", Metric::Contains),
        ("choice", Metric::Choice),
        ("choices", Metric::Choices),
        ("number", Metric::Number),
        ("printed", Metric::Printed),
        ("truth", Metric::Truth),
        ("exam", Metric::Exam),
        ("label", Metric::Label),
        ("likelihood", Metric::Likelihood),
        ("likelihood-raw", Metric::LikelihoodRaw),
    ];

    pub fn name(self) -> &'static str {
        let found = Metric::NAMES.iter().find(|(_, metric)| *metric == self);
        found.map_or("", |(name, _)| name)
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Metric> {
        let found = Metric::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, metric)| *metric)
    }

    /// Whether nothing is said, but options are weighed: the one that is chosen counts as what was said.
    pub fn weighs(self) -> bool {
        matches!(self, Metric::Likelihood | Metric::LikelihoodRaw)
    }

    /// The score of `said`: the best over all answers, or over the answers together where the metric
    /// counts them. `classes` are what could be said.
    pub fn score(self, said: &str, answers: &[String], classes: &[String]) -> f64 {
        let of = |answer: &str| match self {
            Metric::F1 => words::f1(said, answer),
            Metric::F1Zh => words::f1_zh(said, answer),
            Metric::RougeL => rouge::rouge_l(said, answer),
            Metric::RougeLZh => rouge::rouge_l(&words::spaced(said), &words::spaced(answer)),
            Metric::Lcs => rouge::lcs(said, answer),
            Metric::Classification => pick::classification(said, answer, classes),
            Metric::EditSimilarity => edit::code(said, answer),
            Metric::Count => pick::count(said, answer),
            Metric::Retrieval => pick::retrieval(said, answer, "Paragraph "),
            Metric::RetrievalZh => pick::retrieval(said, answer, "段落"),
            Metric::Exact => mark(words::normalised(said) == words::normalised(answer)),
            Metric::MatchAll | Metric::MatchPart | Metric::Contains => {
                mark(pick::says(said, answer))
            }
            Metric::Choice => exam::choice(said, answer, false),
            Metric::Choices => exam::choice(said, answer, true),
            Metric::Number => exam::number(said, answer),
            Metric::Printed => exam::printed(said, answer),
            Metric::Truth => exam::truth(said, answer),
            Metric::Exam => exam::exam(said, answer),
            Metric::Label => babilong::label(said, answer, classes),
            Metric::Likelihood | Metric::LikelihoodRaw => mark(said == answer),
        };
        let scores = answers.iter().map(|answer| of(answer));
        match self {
            Metric::MatchAll => scores.sum::<f64>() / answers.len().max(1) as f64,
            _ => scores.fold(0.0, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn names_are_unique_and_every_metric_has_one() {
        for (i, (name, metric)) in Metric::NAMES.into_iter().enumerate() {
            assert_eq!(Metric::named(name), Some(metric));
            assert_eq!(metric.name(), name);
            assert!(
                Metric::NAMES[..i]
                    .iter()
                    .all(|(n, m)| *n != name && *m != metric)
            );
        }
        assert_eq!(Metric::named("bleu"), None);
    }

    #[test]
    fn the_best_answer_counts_or_the_share_of_all() {
        let answers = texts(&["blue", "the dark red"]);
        assert_eq!(Metric::F1.score("dark red.", &answers, &[]), 1.0);
        assert_eq!(Metric::Contains.score("It is BLUE", &answers, &[]), 1.0);
        let numbers = texts(&["1234567", "7654321"]);
        let said = "They are 1234567 and 765432.";
        assert_eq!(Metric::MatchAll.score(said, &numbers, &[]), 0.5);
        assert_eq!(Metric::MatchPart.score(said, &numbers, &[]), 1.0);
        assert_eq!(Metric::Exact.score("The Dark, red", &answers, &[]), 1.0);
        assert_eq!(Metric::Exact.score("dark", &answers, &[]), 0.0);
        assert_eq!(Metric::MatchAll.score("", &[], &[]), 0.0);
        assert_eq!(Metric::F1.score("", &answers, &[]), 0.0);
    }
}
