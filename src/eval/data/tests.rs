//! Rows of every form, and wrong ones.

use super::*;
use crate::eval::metric::{Metric, Rule};

fn read_text(name: &str, text: &str) -> Result<Vec<Sample>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut all = Vec::new();
    let read = read(
        &path,
        Place::START,
        &Prompts::default(),
        &mut |sample, _| {
            all.push(sample);
            Ok(true)
        },
    );
    match read {
        Ok(()) => Ok(all),
        Err(error) => {
            let folder = format!("{}/", folder.path().display());
            Err(error.to_string().replace(&folder, ""))
        }
    }
}

#[test]
fn a_split_is_named_after_its_folder() {
    assert_eq!(
        set_of(Path::new("a/niah_single_1/validation.jsonl")),
        "niah_single_1"
    );
    assert_eq!(set_of(Path::new("a/qasper.jsonl")), "qasper");
    assert_eq!(set_of(Path::new("validation.jsonl")), "validation");
}

fn one(name: &str, row: &serde_json::Value) -> Sample {
    let mut all = read_text(name, &row.to_string()).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn longbench_rows_as_published() {
    let sample = one(
        "x.jsonl",
        &serde_json::json!({
        "input": "Who?", "context": "Ann did.", "answers": ["Ann", "Anne"], "length": 2,
        "dataset": "hotpotqa", "language": "en", "all_classes": null, "_id": "f00"}),
    );
    assert_eq!(sample.id, "longbench/hotpotqa/1/f00");
    assert_eq!(sample.context, "Ann did.");
    let question = &sample.questions[0];
    assert!(question.text.ends_with("Question: Who?\nAnswer:"));
    assert_eq!(
        (question.rule.metric, question.rule.max_tokens),
        (Metric::F1, 32)
    );
    let sample = one(
        "trec.jsonl",
        &serde_json::json!({
        "input": "Question: x\nType:", "context": "examples", "answers": ["City"], "length": 2,
        "all_classes": ["City", "Date"]}),
    );
    assert!(sample.questions[0].rule.first_line && !sample.questions[0].rule.chat);
    assert_eq!(sample.questions[0].classes.len(), 2);
}

#[test]
fn ruler_rows_end_with_their_question() {
    let sample = one(
        "niah_single_1.jsonl",
        &serde_json::json!({
        "index": 3, "length": 90, "outputs": ["123"], "answer_prefix": " It is",
        "input": "Memorize it.\nThe number is 123.\nThe grass.\nWhat is the number?"}),
    );
    assert_eq!(
        sample.context,
        "Memorize it.\nThe number is 123.\nThe grass."
    );
    let question = &sample.questions[0];
    assert_eq!(
        (question.text.as_str(), question.lead.as_str()),
        ("\nWhat is the number?", " It is")
    );
    assert_eq!(question.rule.metric, Metric::MatchAll);
    let flat = one(
        "qa_1.jsonl",
        &serde_json::json!({
        "index": 0, "outputs": ["a"], "input": "Documents. Question: who? Answer:"}),
    );
    assert_eq!(flat.questions[0].text, " Question: who? Answer:");
    assert_eq!(flat.questions[0].rule.metric, Metric::MatchPart);
}

#[test]
fn leval_rows_have_many_questions() {
    let sample = one(
        "quality.jsonl",
        &serde_json::json!({
        "instructions": ["Which? A. x B. y", "And?"], "input": "A text.", "outputs": ["B. y", "A"],
        "source": "quality", "evaluation": "exam"}),
    );
    assert_eq!(sample.questions.len(), 2);
    assert_eq!(sample.questions[0].rule.metric, Metric::Choice);
    assert!(sample.context.ends_with("\n\nA text."));
    assert_eq!(sample.questions[1].answers, ["A"]);
}

#[test]
fn babilong_and_plain_rows() {
    let sample = one(
        "qa1.jsonl",
        &serde_json::json!({
        "input": "Mary is in the garden.", "question": "Where is Mary, not the office?", "target": "garden"}),
    );
    assert_eq!(sample.questions[0].classes.len(), 5);
    assert_eq!(sample.questions[0].rule.metric, Metric::Label);
    let sample = one(
        "mine.jsonl",
        &serde_json::json!({
        "context": "a", "questions": ["b?", "c?"], "answers": [["d", "e"], "B, C."],
        "metric": ["exact", "choices"], "max_tokens": 5, "id": 9}),
    );
    assert_eq!(sample.id, "plain/mine/1/9");
    assert_eq!(sample.questions[0].answers, ["d", "e"]);
    assert_eq!(sample.questions[1].rule, Rule::new(Metric::Choices, 5));
}

#[test]
fn options_are_named_by_text_letter_or_number() {
    let sample = one(
        "mine.jsonl",
        &serde_json::json!({
        "context": "a", "questions": ["b?", "c?", "d?"], "answers": ["B", ["blue", 0], 1],
        "choices": [["A", "C", "B"], ["red", "green", "blue"], ["1", "2"]]}),
    );
    let asked = |q: usize| {
        let question = &sample.questions[q];
        (
            question.rule.metric,
            question.answers.clone(),
            question.classes.len(),
        )
    };
    let of = |answers: &[&str], choices| {
        let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
        (Metric::Likelihood, answers, choices)
    };
    assert_eq!(asked(0), of(&["B"], 3));
    assert_eq!(asked(1), of(&["blue", "red"], 3));
    // The text goes before the number.
    assert_eq!(asked(2), of(&["1"], 2));
    let one_list = serde_json::json!({"context": "a", "questions": ["b?"], "answers": ["B"],
        "choices": ["x", "y"], "metric": "likelihood-raw"});
    let sample = one("mine.jsonl", &one_list);
    assert_eq!(sample.questions[0].answers, ["y"]);
    assert_eq!(sample.questions[0].rule.metric, Metric::LikelihoodRaw);
}

#[test]
fn a_wrong_row_is_named_with_its_line_and_what_is_missing() {
    let good = r#"{"context": "a", "questions": ["b?"], "answers": ["c"]}"#;
    for (row, why) in [
        ("{", "it is no JSON"),
        ("[]", "a row is a JSON object"),
        (
            r#"{"context": "a", "questions": ["b?"]}"#,
            "`answers` is missing",
        ),
        (
            r#"{"context": 1, "questions": ["b?"], "answers": ["c"]}"#,
            "`context` is not a text",
        ),
        (
            r#"{"context": "", "questions": [], "answers": []}"#,
            "`questions` is empty",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": []}"#,
            "`answers` has 0 entries for 1 questions",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["c"], "metric": "bleu"}"#,
            "`metric` is \"bleu\"",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["E"], "metric": "choice"}"#,
            "`answers` has \"E\", which does not begin with one letter from A to D",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["AB"], "metric": "choice"}"#,
            "`answers` has \"AB\"",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["the first"], "metric": "choices"}"#,
            "the metric choices knows no others",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["A"], "metric": "classification"}"#,
            "needs `classes`",
        ),
        (
            r#"{"input": "", "context": "", "answers": ["c"], "dataset": "mmlu"}"#,
            "none of LongBench's",
        ),
        (
            r#"{"context": "", "answers": ["c"], "dataset": "qasper"}"#,
            "`input` is missing",
        ),
        (
            r#"{"input": "", "context": "", "answers": ["c"], "dataset": "trec"}"#,
            "`all_classes` is missing",
        ),
        (
            r#"{"input": "", "outputs": "c"}"#,
            "`outputs` is not a list of texts",
        ),
        (
            r#"{"input": "", "instructions": ["a"], "outputs": ["a"]}"#,
            "`evaluation` is missing",
        ),
        (r#"{"question": "", "target": "c"}"#, "`input` is missing"),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["A"], "metric": "likelihood"}"#,
            "needs two `choices`",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["C"], "choices": ["x", "y"]}"#,
            "`answers` has \"C\", which is none of the 2 `choices`",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": [2], "choices": ["x", "y"]}"#,
            "`answers` has \"2\"",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["A"], "choices": ["x", "y", "x"]}"#,
            "`choices` has \"x\", which is empty or there twice",
        ),
        (
            r#"{"context": "", "questions": ["b"], "answers": ["A"], "choices": [["x", "y"], ["x", "y"]]}"#,
            "`choices` has 2 entries for 1 questions",
        ),
        (r#"{"prompt": "", "x": 1}"#, "its fields: prompt, x"),
    ] {
        let found = read_text("a.jsonl", &format!("{good}\n\n{row}\n")).unwrap_err();
        assert!(found.starts_with("a.jsonl, line 3: "), "{found}");
        assert!(found.contains(why), "{found}");
    }
}
