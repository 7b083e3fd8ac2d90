//! Every task at several lengths.

use super::*;
use crate::model::gguf::GgufFile;
use crate::testing::{TinySpec, write_tiny_gguf};

fn tokenizer() -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    write_tiny_gguf(&path, &TinySpec::llama()).unwrap();
    Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap()
}

#[test]
fn every_task_fills_its_length_and_says_its_answers() {
    let tokenizer = tokenizer();
    for task in Task::ALL {
        for length in [8000, 12_000] {
            let make = |index, seed| {
                let made = task.make(length, index, seed, &Haystack::Essay, &tokenizer);
                made.unwrap_or_else(|e| panic!("{}: {e}", task.name))
            };
            let sample = make(0, 1);
            let question = &sample.questions[0];
            let text = [sample.context.as_str(), &question.text, &question.lead].concat();
            let tokens = tokenizer.encode(&text, false).unwrap().len();
            assert!(
                tokens + task.max_tokens + TEMPLATE <= length,
                "{} {tokens}",
                task.name
            );
            // The last step of a word that comes thirty times is long.
            assert!(tokens + 800 > length, "{} {tokens} of {length}", task.name);
            for answer in &question.answers {
                assert!(sample.context.contains(answer), "{}: {answer}", task.name);
            }
            assert!(sample.depths.iter().all(|d| (0.0..=1.0).contains(d)));
            assert_eq!(sample, make(0, 1), "{}", task.name);
            assert_ne!(sample.context, make(1, 1).context);
            assert_ne!(sample.context, make(0, 2).context);
        }
    }
}

#[test]
fn needles_stand_where_they_are_said_to() {
    let tokenizer = tokenizer();
    let task = Task::named("niah").unwrap();
    let mut depths = Vec::new();
    for index in 0..8 {
        let sample = task
            .make(4000, index, 5, &Haystack::Noise, &tokenizer)
            .unwrap();
        let text = sample.context.split_once('\n').unwrap().1;
        let at = text.find("One of the special").unwrap() as f64 / text.len() as f64;
        assert!((at - sample.depths[0]).abs() < 1e-9);
        depths.push(at);
    }
    depths.sort_by(f64::total_cmp);
    let gaps = depths.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.fold(0.0, f64::max) < 0.35, "{depths:?}");
    let values = Task::named("multivalue").unwrap();
    let sample = values
        .make(4000, 0, 5, &Haystack::Noise, &tokenizer)
        .unwrap();
    assert_eq!(
        (sample.questions[0].answers.len(), sample.depths.len()),
        (4, 4)
    );
    assert!(
        sample.questions[0]
            .text
            .contains("What are all the special magic numbers")
    );
}

#[test]
fn what_cannot_be_made_is_said() {
    let error = Task::named("vt")
        .unwrap()
        .make(100, 0, 1, &Haystack::Noise, &tokenizer());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("vt does not fit into 100")
    );
    assert_eq!(Task::named("mmlu"), None);
}
