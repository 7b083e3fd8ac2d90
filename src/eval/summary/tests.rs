//! Tables of a few records.

use super::*;

fn record(sample: &str, policy: &str, score: f64) -> Record {
    Record {
        sample: sample.into(),
        task: "plain".into(),
        dataset: sample.split('/').next().unwrap().into(),
        length: None,
        depths: Vec::new(),
        mode: "with".into(),
        policy: policy.into(),
        budget: if policy == "full" { "all" } else { "128" }.into(),
        entries: None,
        question: 0,
        prompt_tokens: 100,
        lost_tokens: 0,
        bytes: 1 << 20,
        kept_share: 0.5,
        answer: "x".into(),
        answer_tokens: 1,
        stop: "eos".into(),
        references: vec!["x".into()],
        metric: "f1".into(),
        score,
        kl: (policy != "full").then_some(0.25),
        top1: None,
        seconds: 0.0,
    }
}

#[test]
fn questions_are_averaged_in_their_text_and_texts_are_paired() {
    let mut records = vec![
        record("a/1", "full", 1.0),
        record("a/1", "snapkv", 0.5),
        record("a/1", "random", 0.0),
        record("b/1", "full", 0.5),
        record("b/1", "snapkv", 0.5),
        record("b/1", "random", 0.5),
    ];
    // A second question of the first text.
    let mut second = record("a/1", "snapkv", 1.0);
    second.question = 1;
    records.push(second);
    let summary = Summary::of(&records);
    let row = |set: &str, policy: &str| {
        let mut rows = summary.rows.iter();
        rows.find(|r| r.dataset == set && r.policy == policy)
            .unwrap()
    };
    assert_eq!(summary.rows.len(), 9);
    assert_eq!((row("a", "snapkv").score, row("a", "snapkv").n), (0.75, 1));
    assert_eq!(row("a", "snapkv").vs_full, Some(-0.25));
    assert_eq!(row("all", "snapkv").score, 0.625);
    assert_eq!(row("all", "full").vs_full, None);
    assert_eq!(row("all", "random").kl_mean, Some(0.25));
    let pairs: Vec<(&str, &str, f64)> = summary
        .paired
        .iter()
        .map(|p| (p.a.as_str(), p.b.as_str(), p.difference))
        .collect();
    assert_eq!(
        pairs,
        [
            ("snapkv@128", "full@all", -0.125),
            ("random@128", "full@all", -0.5),
            ("random@128", "snapkv@128", -0.375),
        ]
    );
    let text = markdown(&summary);
    assert!(
        text.contains("| a   | with | snapkv | 128    | 1 | 75.0  |"),
        "{text}"
    );
    assert!(text.contains("−12.5"), "{text}");
}
