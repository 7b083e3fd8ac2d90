//! Tables of a few records.

use super::super::record::NO_ROOM;
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
        ..Record::default()
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
    // A second question of the first text, and a third one for which one conversation had no room.
    for (policy, score) in [("full", 1.0), ("snapkv", 1.0), ("random", 0.5)] {
        let mut second = record("a/1", policy, score);
        second.question = 1;
        let mut third = record("a/1", policy, 0.0);
        third.question = 2;
        if policy == "random" {
            third.stop = NO_ROOM.into();
        }
        records.extend([second, third]);
    }
    let summary = Summary::of(&records);
    let row = |set: &str, policy: &str| {
        let mut rows = summary.rows.iter();
        rows.find(|r| r.dataset == set && r.policy == policy)
            .unwrap()
    };
    assert_eq!(summary.rows.len(), 9);
    assert_eq!((row("a", "snapkv").score, row("a", "snapkv").n), (0.75, 1));
    assert_eq!(row("a", "snapkv").vs_full, Some(-0.25));
    assert_eq!(row("a", "random").score, 0.25);
    let left_out: Vec<usize> = summary.rows.iter().map(|row| row.left_out).collect();
    assert_eq!(left_out, [1, 1, 1, 0, 0, 0, 1, 1, 1]);
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
            ("random@128", "full@all", -0.375),
            ("random@128", "snapkv@128", -0.25),
        ]
    );
    let text = markdown(&summary);
    assert!(
        text.contains("| a   | with | snapkv | 128    | 1 | 75.0  |"),
        "{text}"
    );
    assert!(text.contains("−12.5"), "{text}");
    assert!(
        text.contains("mode with, since a conversation had no room for them: 1"),
        "{text}"
    );
}

#[test]
fn a_set_called_all_is_not_the_total() {
    let mut records = vec![record("all/1", "full", 1.0), record("b/1", "full", 0.0)];
    let summary = Summary::of(&records);
    let widest: Vec<f64> = summary.widest("with").iter().map(|r| r.score).collect();
    assert_eq!(widest, [0.5]);
    let text = markdown(&summary);
    assert!(
        text.contains("| plain/all |") && text.contains("| all       |"),
        "{text}"
    );
    records.truncate(1);
    let alone = Summary::of(&records);
    assert_eq!((alone.widest("with").len(), alone.rows.len()), (1, 1));
    assert!(markdown(&alone).contains("| all |"));
    // Nobody was asked: that is said, and nothing else.
    records[0].stop = NO_ROOM.into();
    let nobody = Summary::of(&records);
    assert_eq!((nobody.rows[0].n, nobody.rows[0].left_out), (0, 1));
    let text = markdown(&nobody);
    assert!(
        text.contains("| 0 | -     |") && text.contains("for them: 1"),
        "{text}"
    );
}
