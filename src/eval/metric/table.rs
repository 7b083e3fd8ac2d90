//! Which metric goes with which set, and how long its answers are.

use super::Metric;

/// How a set is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub metric: Metric,
    /// Only the first line of an answer counts.
    pub first_line: bool,
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// Asked in the model's chat template; what goes on with examples or code is not.
    pub chat: bool,
}

impl Rule {
    pub const fn new(metric: Metric, max_tokens: usize) -> Rule {
        Rule {
            metric,
            first_line: false,
            max_tokens,
            chat: true,
        }
    }

    const fn first_line(self) -> Rule {
        Rule {
            first_line: true,
            ..self.raw()
        }
    }

    const fn raw(self) -> Rule {
        Rule {
            chat: false,
            ..self
        }
    }

    /// The score of an answer.
    pub fn score(&self, said: &str, answers: &[String], classes: &[String]) -> f64 {
        let said = match self.first_line {
            true => {
                let rest = said.trim_start_matches('\n');
                rest.split('\n').next().unwrap_or_default()
            }
            false => said,
        };
        self.metric.score(said, answers, classes)
    }
}

/// LongBench's sets (`dataset2metric`, `dataset2maxlen`), the Chinese ones and those of code included.
pub const LONGBENCH: [(&str, Rule); 21] = [
    ("narrativeqa", Rule::new(Metric::F1, 128)),
    ("qasper", Rule::new(Metric::F1, 128)),
    ("multifieldqa_en", Rule::new(Metric::F1, 64)),
    ("multifieldqa_zh", Rule::new(Metric::F1Zh, 64)),
    ("hotpotqa", Rule::new(Metric::F1, 32)),
    ("2wikimqa", Rule::new(Metric::F1, 32)),
    ("musique", Rule::new(Metric::F1, 32)),
    ("dureader", Rule::new(Metric::RougeLZh, 128)),
    ("gov_report", Rule::new(Metric::RougeL, 512)),
    ("qmsum", Rule::new(Metric::RougeL, 512)),
    ("multi_news", Rule::new(Metric::RougeL, 512)),
    ("vcsum", Rule::new(Metric::RougeLZh, 512)),
    ("trec", Rule::new(Metric::Classification, 64).first_line()),
    ("triviaqa", Rule::new(Metric::F1, 32).first_line()),
    ("samsum", Rule::new(Metric::RougeL, 128).first_line()),
    ("lsht", Rule::new(Metric::Classification, 64).first_line()),
    ("passage_count", Rule::new(Metric::Count, 32)),
    ("passage_retrieval_en", Rule::new(Metric::Retrieval, 32)),
    ("passage_retrieval_zh", Rule::new(Metric::RetrievalZh, 32)),
    ("lcc", Rule::new(Metric::EditSimilarity, 64).raw()),
    ("repobench-p", Rule::new(Metric::EditSimilarity, 64).raw()),
];

/// A set of LongBench, or of LongBench-E (`_e`).
pub fn longbench(dataset: &str) -> Option<Rule> {
    let name = dataset.strip_suffix("_e").unwrap_or(dataset);
    let found = LONGBENCH.iter().find(|(known, _)| *known == name);
    found.map(|(_, rule)| *rule)
}

/// A task of RULER, by what its name has in it.
pub fn ruler(task: &str) -> Rule {
    let (metric, max_tokens) = match task {
        _ if task.contains("qa") => (Metric::MatchPart, 32),
        _ if task.contains("vt") || task.contains("variable") => (Metric::MatchAll, 30),
        _ if task.contains("cwe") || task.contains("common") => (Metric::MatchAll, 120),
        _ if task.contains("fwe") || task.contains("freq") => (Metric::MatchAll, 50),
        _ => (Metric::MatchAll, 128),
    };
    Rule::new(metric, max_tokens)
}

/// L-Eval's rule for rows of `source` (in lower case) whose `evaluation` is this. What people or larger models were to
/// judge is judged by words: F1 of short references, the common subsequence of long ones.
pub fn leval(source: &str, evaluation: &str, reference: &str) -> Rule {
    let metric = match (evaluation, source) {
        ("exam", s) if s.contains("coursera") => Metric::Choices,
        ("exam", s) if s.contains("quality") || s.contains("tpo") => Metric::Choice,
        ("exam", s) if s.contains("gsm") => Metric::Number,
        ("exam", s) if s.contains("codeu") => Metric::Printed,
        ("exam", s) if s.contains("sci_fi") => Metric::Truth,
        ("exam", _) if reference.chars().all(|c| matches!(c, 'A'..='D')) => Metric::Choices,
        ("exam", _) => Metric::Exam,
        ("f1", _) => Metric::F1,
        ("rouge", _) => Metric::Lcs,
        _ if reference.split_whitespace().count() <= 30 => Metric::F1,
        _ => Metric::Lcs,
    };
    // The published 512 for all would let short answers run on for minutes.
    let max_tokens = match metric {
        Metric::Choice | Metric::Choices | Metric::Truth => 16,
        Metric::Exam | Metric::F1 => 64,
        _ => 512,
    };
    Rule::new(metric, max_tokens)
}

/// BABILong's labels of a task, `qa1` to `qa5`.
pub fn babilong(task: &str) -> &'static [&'static str] {
    const ROOMS: &[&str] = &[
        "bathroom", "bedroom", "garden", "hallway", "kitchen", "office",
    ];
    const WHO: &[&str] = &["Bill", "Fred", "Jeff", "Mary", "apple", "football", "milk"];
    match task {
        "qa1" | "qa2" | "qa3" | "qa4" => ROOMS,
        "qa5" => WHO,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_scored_as_published() {
        let said = "\n\nCity\nLocation";
        let classes = ["City", "Location"].map(str::to_owned);
        let city = ["City".to_owned()];
        let score = |set: &str| longbench(set).map(|rule| rule.score(said, &city, &classes));
        assert_eq!(score("trec"), Some(1.0));
        assert_eq!(score("lsht_e"), Some(1.0));
        assert_eq!(score("qasper"), Some(2.0 / 3.0));
        assert_eq!(score("mmlu"), None);
        assert_eq!(ruler("qa_1").metric, Metric::MatchPart);
        assert_eq!(ruler("niah_multikey_2").metric, Metric::MatchAll);
        assert_eq!(leval("tpo", "exam", "A").metric, Metric::Choice);
        assert_eq!(leval("new", "exam", "AB").metric, Metric::Choices);
        assert_eq!(
            leval("gsm100 gsm8k", "exam", "The answer is 3").metric,
            Metric::Number
        );
        assert_eq!(leval("narrative_qa", "LLM", "Short.").metric, Metric::F1);
    }
}
