//! Turns without an archive.

use super::*;
use crate::engine::lane::Unread;

/// Else all of the conversation would be read again, and what was evicted would be back.
#[test]
fn an_answer_that_is_encoded_otherwise_stays_as_it_was_decoded() {
    let (model, mut sample) = (model(), leval());
    for question in &mut sample.questions {
        question.rule.chat = true;
        question.lead.clear();
    }
    let variants = variants();
    let runner = Runner {
        model: &model,
        variants: &variants,
        mode: Mode::TurnsBare,
        most: 2048,
    };
    let writer = Writer {
        model: &model,
        most: 2048,
    };
    let prompt = writer.write(&sample).unwrap();
    let turn = |said: &[String]| writer.turn(&sample, &prompt.texts, said).unwrap();
    let (first, next) = (turn(&[]), turn(&["he".to_owned()]));
    let run = Run {
        runner: &runner,
        writer,
        sample: &sample,
        prompt,
        archive: Arc::new(Archive::in_memory(model.network.identity(), u64::MAX)),
    };
    let encoded = |text: &str| model.tokenizer.encode_on(text).unwrap();
    let (one, two) = (encoded("he"), [encoded("h"), encoded("e")].concat());
    assert_ne!(one, two);
    let lane = |said: &[u32]| {
        let mut lane = Lane::new(&model.network, Evictor::none(params())).unwrap();
        for tokens in [&first[..], said] {
            lane.read(tokens, &mut Unread).unwrap();
        }
        lane
    };
    let last = |tokens: &[u32]| Last {
        prompt: first.clone(),
        at: first.len(),
        text: "he".into(),
        tokens: tokens.to_vec(),
    };
    let rest = run.behind(&lane(&one), &last(&one), &next).unwrap();
    assert_eq!([&first[..], &one[..], &rest[..]].concat(), next);
    let lane = lane(&two);
    assert_eq!(run.behind(&lane, &last(&two), &next), Some(rest.clone()));
    // One that was cut: its last token is still to be fed.
    let cut = [&two[..], &[7]].concat();
    let with_it = [&[7][..], &rest[..]].concat();
    assert_eq!(run.behind(&lane, &last(&cut), &next), Some(with_it));
    // One that was weighed is in no lane yet.
    let unsaid = Last {
        prompt: [&first[..], &one[..]].concat(),
        at: lane.position(),
        ..last(&[])
    };
    assert_eq!(run.behind(&lane, &unsaid, &next), Some(rest));
    // Not what was said.
    assert_eq!(run.behind(&lane, &last(&two), &next[1..]), None);
}
