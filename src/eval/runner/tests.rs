//! Rows of every form, end to end, on a tiny model.

mod bare;
mod options;

use super::*;
use crate::eval::Unwatched;
use crate::eval::data::{Place, Prompts, read};
use crate::eval::prompt::Texts;
use crate::eval::tiny::{model, params};
use crate::policy::{Budget, Preset};

fn sample(name: &str, row: &serde_json::Value) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, row.to_string()).unwrap();
    let mut found = None;
    read(
        &path,
        Place::START,
        &Prompts::default(),
        &mut |sample, _| {
            found = Some(sample);
            Ok(false)
        },
    )
    .unwrap();
    found.unwrap()
}

fn run(model: &Model, sample: &Sample, variants: &[Variant], mode: Mode) -> Vec<Record> {
    let runner = Runner {
        model,
        variants,
        mode,
        most: usize::MAX,
    };
    let records = runner.run(sample, &mut Unwatched).unwrap().unwrap();
    let asked = sample.questions.len() * variants.len();
    assert_eq!(records.len(), asked);
    records
}

fn leval() -> Sample {
    let text = "The mill stood by the river, and the miller's son sang. ".repeat(8);
    sample(
        "quality.jsonl",
        &serde_json::json!({"instructions": ["Who sang? A. x B. y", "Where?", "When?"], "input": text,
            "outputs": ["A", "B", "C"], "source": "quality", "evaluation": "exam"}),
    )
}

fn variants() -> Vec<Variant> {
    let policies = [Preset::ADA_SNAPKV, Preset::POOLED_SNAPKV];
    Variant::all(
        &policies,
        &[Budget::Tokens(40), Budget::Share(0.25)],
        params(),
    )
}

#[test]
fn rows_of_every_form_are_answered_under_every_variant_in_every_mode() {
    let model = model();
    let text = "A long row of words, of which some matter. ".repeat(10);
    let longbench = sample(
        "trec.jsonl",
        &serde_json::json!({"input": "Question: x?\nType:", "context": text, "answers": ["City"],
            "length": 9, "dataset": "trec", "language": "en", "all_classes": ["City", "Date"], "_id": "7"}),
    );
    let ruler = sample(
        "niah_single_1.jsonl",
        &serde_json::json!({"index": 0, "input": format!("{text}\nWhat is it?"), "outputs": ["17"],
            "length": 100, "answer_prefix": " It is"}),
    );
    for sample in [longbench, ruler, leval()] {
        for mode in Mode::ALL {
            let records = run(&model, &sample, &variants(), mode);
            for record in &records {
                let what = format!(
                    "{} {} {} {:?}",
                    record.sample, record.policy, record.budget, mode
                );
                assert!((0.0..=1.0).contains(&record.score), "{what}");
                match record.entries {
                    None => {
                        assert_eq!(record.policy, "full");
                        assert!((record.kept_share - 1.0).abs() < 1e-9, "{what}");
                    }
                    Some(entries) => {
                        assert!(entries < record.prompt_tokens, "{what}");
                        let bound = (entries + 2) as f64 / (record.prompt_tokens as f64 * 0.5);
                        assert!(record.kept_share < bound, "{what} {}", record.kept_share);
                    }
                }
                assert!(record.answer_tokens > 0, "{what}");
            }
        }
    }
}

/// One reading for all gives what a reading of one's own gives.
#[test]
fn answers_are_those_of_a_reading_of_ones_own() {
    let model = model();
    let sample = leval();
    let all = variants();
    for mode in [Mode::With, Mode::Later] {
        let together = run(&model, &sample, &all, mode);
        for variant in &all[1..] {
            let alone = run(&model, &sample, &[all[0], *variant], mode);
            for mut record in alone {
                let same = together.iter().find(|other| other.key() == record.key());
                record.seconds = same.unwrap().seconds;
                assert_eq!(Some(&record), same, "{mode:?}");
            }
        }
    }
    // By hand: the whole prompt read under the policy.
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let prompt = writer.write(&sample).unwrap();
    let variant = all.iter().find(|v| v.policy() == "ada-snapkv").unwrap();
    let together = run(&model, &sample, &all, Mode::With);
    for (q, tokens) in prompt.questions.iter().enumerate() {
        let evictor = variant.evictor(&*model.network, tokens.len());
        let mut lane = Lane::new(&model.network, evictor).unwrap();
        let read = lane
            .read(tokens, &mut crate::engine::lane::Unread)
            .unwrap()
            .unwrap();
        let how = Greedy {
            tokenizer: &model.tokenizer,
            max_tokens: sample.questions[q].rule.max_tokens,
            line: false,
            teacher: None,
            first: false,
        };
        let answered = how
            .answer(&mut lane, read.logits, &mut Unwatched)
            .unwrap()
            .unwrap();
        let mine = |r: &&Record| r.question == q && r.policy == "ada-snapkv" && r.budget == "40";
        assert_eq!(answered.text, together.iter().find(mine).unwrap().answer);
    }
}

#[test]
fn the_question_has_no_part_in_what_is_shared_and_kl_is_of_what_was_evicted() {
    let model = model();
    let sample = leval();
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let prompt = writer.write(&sample).unwrap();
    let bytes = |ids: &[u32]| -> String {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| model.tokenizer.token_bytes(id))
            .collect();
        String::from_utf8(bytes).unwrap()
    };
    for tokens in &prompt.questions {
        let (before, behind) = tokens.split_at(prompt.shared);
        assert!(bytes(before).trim_end().ends_with("son sang."));
        assert!(bytes(behind).contains("Question: W"));
    }
    for record in run(&model, &sample, &variants(), Mode::Later) {
        match record.policy.as_str() {
            "full" => assert_eq!(record.kl, None),
            _ => assert!(record.kl.unwrap() > 0.0),
        }
    }
}

#[test]
fn over_long_prompts_lose_their_middle_and_say_so() {
    let model = model();
    let mut sample = leval();
    sample.context = (0..400).map(|i| format!("line {i}\n")).collect();
    let writer = Writer {
        model: &model,
        most: 600,
    };
    let prompt = writer.write(&sample).unwrap();
    let texts = &prompt.texts;
    assert!(texts.lost > 1000);
    assert!(texts.context.starts_with("line 0\n") && texts.context.ends_with("line 399\n"));
    for tokens in &prompt.questions {
        assert!(tokens.len() + 16 <= 600);
    }
    let longest = prompt.questions.iter().map(Vec::len).max().unwrap();
    assert!(longest + 16 + 24 > 600, "{longest}");
    // A question that alone would fill the prompt loses its beginning.
    sample.questions[1].text = (0..400).map(|i| format!("row {i}\n")).collect();
    let prompt = writer.write(&sample).unwrap();
    assert!(prompt.texts.context.starts_with("line 0\n") && prompt.texts.lost > 1000);
    assert!(prompt.texts.questions[1].ends_with("row 399\n"));
    assert!(
        prompt
            .questions
            .iter()
            .all(|tokens| tokens.len() + 16 <= 600)
    );
    let writer = Writer { most: 60, ..writer };
    assert!(matches!(
        writer.write(&sample),
        Err(EvalError::TooLong { .. })
    ));
}

/// The beginning of an answer and how a row is asked are the same in a conversation.
#[test]
fn a_turn_is_asked_as_its_row_says() {
    let model = model();
    let text = "A long row of words, of which some matter. ".repeat(6);
    let ruler = serde_json::json!({"index": 0, "input": format!("{text}\nWhat is it?"), "outputs": ["17"],
        "length": 100, "answer_prefix": " It is"});
    let raw = serde_json::json!({"input": "def f(", "context": text, "answers": ["x):"], "length": 9,
        "dataset": "lcc", "language": "python", "all_classes": null, "_id": "7"});
    for sample in [sample("niah.jsonl", &ruler), sample("lcc.jsonl", &raw)] {
        let writer = Writer {
            model: &model,
            most: 2048,
        };
        let prompt = writer.write(&sample).unwrap();
        let turn = writer.turn(&sample, &prompt.texts, &[]).unwrap();
        assert_eq!(turn, prompt.questions[0], "{}", sample.id);
        let alone = run(&model, &sample, &variants(), Mode::With);
        let turns = run(&model, &sample, &variants(), Mode::Turns);
        for (a, b) in alone.iter().zip(&turns) {
            assert_eq!((&a.answer, a.prompt_tokens), (&b.answer, b.prompt_tokens));
        }
    }
    // A second turn has the whole of the first before it.
    let mut two = sample("lcc.jsonl", &raw);
    two.questions.push(two.questions[0].clone());
    two.questions[0].lead = "x".into();
    let texts = Texts {
        context: "a".into(),
        questions: vec!["b".into(), "c".into()],
        lost: 0,
    };
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let said = |tokens: Vec<u32>| -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|&id| model.tokenizer.token_bytes(id))
            .collect();
        String::from_utf8(bytes).unwrap()
    };
    let turn = said(writer.turn(&two, &texts, &["y".into()]).unwrap());
    assert!(turn.ends_with("abxyc"), "{turn}");
    two.questions[1].rule.chat = true;
    let turn = said(writer.turn(&two, &texts, &["y".into()]).unwrap());
    assert!(turn.contains("ab") && turn.contains("xy"), "{turn}");
}

/// Every question of a conversation has a record, also where it was full.
#[test]
fn questions_without_room_are_recorded() {
    let model = model();
    let sample = leval();
    let longest = {
        let writer = Writer {
            model: &model,
            most: 2048,
        };
        let prompt = writer.write(&sample).unwrap();
        prompt.questions.iter().map(Vec::len).max().unwrap()
    };
    let variants = variants();
    let runner = Runner {
        model: &model,
        variants: &variants,
        mode: Mode::Turns,
        most: longest + 16 + 24,
    };
    let records = runner.run(&sample, &mut Unwatched).unwrap().unwrap();
    assert_eq!(records.len(), sample.questions.len() * variants.len());
    for record in &records {
        assert_eq!(record.asked(), record.question == 0, "{record:?}");
        assert_eq!(record.asked(), record.answer_tokens > 0);
    }
}

/// Prompts that begin with their questions: nothing is evicted, and every policy answers as the full cache.
#[test]
fn nothing_is_evicted_where_prompts_share_nothing() {
    let model = model();
    let sample = leval();
    let variants = variants();
    let runner = Runner {
        model: &model,
        variants: &variants,
        mode: Mode::Later,
        most: 2048,
    };
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let mut prompt = writer.write(&sample).unwrap();
    prompt.shared = 0;
    let run = Run {
        runner: &runner,
        writer,
        sample: &sample,
        prompt,
        archive: Arc::new(Archive::in_memory(model.network.identity(), u64::MAX)),
    };
    let records = run.later(false, &mut Unwatched).unwrap().unwrap();
    assert_eq!(records.len(), 3 * variants.len());
    for record in &records {
        assert_eq!(record.answer, records[record.question].answer);
        assert_eq!((record.bytes, record.kept_share), (0, 1.0));
    }
}

/// KVzip's request stands behind the text and names where a later part begins.
#[test]
fn a_text_is_asked_for_again_and_judges_every_policy() {
    let (model, sample) = (model(), leval());
    let writer = Writer {
        model: &model,
        most: usize::MAX,
    };
    let prompt = writer.write(&sample).unwrap();
    let text_of = |tokens: &[u32]| -> String {
        let bytes = tokens
            .iter()
            .flat_map(|&id| model.tokenizer.token_bytes(id));
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
    };
    let asked = |from| text_of(&writer.again(&sample, &prompt, from).unwrap());
    let first = asked(0);
    assert!(first.contains("Repeat the previous context exactly."));
    assert!(!first.contains("mill"), "{first}");
    let named = text_of(&prompt.questions[0][92..100]);
    let named = format!("starting with {}", named.trim_start());
    assert!(asked(100).contains(&named), "{}", asked(100));
    let later = run(&model, &sample, &variants(), Mode::Later);
    let repeated = run(&model, &sample, &variants(), Mode::LaterRepeated);
    for (a, b) in later.iter().zip(&repeated) {
        assert_eq!((a.entries, a.prompt_tokens), (b.entries, b.prompt_tokens));
        assert!(a.entries.is_some() || a.answer == b.answer);
    }
}
