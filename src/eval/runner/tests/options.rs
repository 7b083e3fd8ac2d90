//! Multiple choice by likelihood.

use super::*;

/// The likelihoods of options are those of the whole text, and the likeliest is what was said.
#[test]
fn options_are_weighed_in_every_mode() {
    let model = model();
    let text = "A long row of words, of which some matter. ".repeat(6);
    let options = [" of words", "q", " and the miller's son sang of it"];
    let row = serde_json::json!({"context": text, "questions": ["What is it?", "And then?"],
        "answers": ["B", [0, 2]], "choices": options, "metric": ["likelihood-raw", "likelihood"]});
    let sample = sample("mine.jsonl", &row);
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let prompt = writer.write(&sample).unwrap();
    let likelihood = |q: usize, option: &str| -> f64 {
        let mut tokens = prompt.questions[q].clone();
        let before = tokens.len();
        tokens.extend(model.tokenizer.encode_on(option).unwrap());
        let all = model.network.log_likelihoods(&tokens).unwrap();
        all[before - 1..].iter().sum()
    };
    for mode in Mode::ALL {
        let records = run(&model, &sample, &variants(), mode);
        for record in &records {
            let what = format!("{record:?} {mode:?}");
            assert_eq!(
                (record.options.len(), record.stop.as_str()),
                (3, "choice"),
                "{what}"
            );
            let worth = |i: usize| match record.question {
                0 => record.options[i].log_likelihood,
                _ => record.options[i].log_likelihood / options[i].chars().count() as f64,
            };
            let best = (0..3)
                .max_by(|&a, &b| worth(a).total_cmp(&worth(b)))
                .unwrap();
            assert_eq!(record.answer, options[best], "{what}");
            let right: &[usize] = if record.question == 0 { &[1] } else { &[0, 2] };
            assert_eq!(
                record.score,
                f64::from(u8::from(right.contains(&best))),
                "{what}"
            );
            // A second turn has the first answer before it.
            let alone = record.question == 0 || !mode.name().starts_with("turns");
            if record.policy == "full" && alone {
                for option in &record.options {
                    let expected = likelihood(record.question, &option.text);
                    let off = (option.log_likelihood - expected).abs();
                    assert!(off < 2e-3 * option.tokens as f64, "{what}: {expected}");
                }
            }
            let later = mode.name().starts_with("later") && record.policy != "full";
            assert_eq!(record.kl.is_some(), later, "{what}");
        }
        let of = |policy: &str| -> Vec<f64> {
            let own = records.iter().filter(|r| r.policy == policy);
            own.flat_map(|r| r.options.iter().map(|o| o.log_likelihood))
                .collect()
        };
        assert_ne!(of("full"), of("streaming"), "{mode:?}");
    }
}
