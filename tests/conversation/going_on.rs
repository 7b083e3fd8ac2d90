//! Answers that were stopped or cut, and gone on with; turns taken back and asked again.

use super::*;

/// Answers that only end by being stopped.
fn endless(preset: Preset) -> Session {
    let spec = TinySpec {
        endless: true,
        ..TinySpec::llama()
    };
    Session::new(model(&spec, &EXACT), eviction(preset, 24, 6), None).unwrap()
}

fn said(role: Role, content: &str) -> Message {
    let content = content.to_owned();
    Message { role, content }
}

fn last(session: &Session) -> &str {
    &session.messages().last().unwrap().content
}

#[test]
fn stopped_and_continued_equals_never_stopped() {
    let sampled = Sampling {
        temperature: 1.0,
        repeat_penalty: 1.2,
        ..greedy(60)
    };
    for (preset, sampling) in [
        (Preset::ADA_SNAPKV, greedy(60)),
        (Preset::FULL, greedy(60)),
        (Preset::ADA_SNAPKV, sampled),
    ] {
        let question = "first of all, a question".repeat(3);
        let mut whole = endless(preset);
        let mut seen = Seen::default();
        let stats = whole.ask(&question, &sampling, &mut seen).unwrap();
        assert_eq!((stats.stop, stats.generated_tokens), (Stop::Length, 60));

        let mut parts = endless(preset);
        let mut pieces = Seen {
            tokens: Some(1),
            ..Seen::default()
        };
        let mut total = 0;
        let stats = parts.ask(&question, &sampling, &mut pieces).unwrap();
        assert_eq!((stats.stop, stats.generated_tokens), (Stop::Interrupted, 1));
        total += stats.generated_tokens;
        for stop_at in [1, 2, 9, 40] {
            pieces.tokens = Some(stop_at);
            let position = parts.picture().position;
            let rest = Sampling {
                max_tokens: 60 - total,
                ..sampling.clone()
            };
            let stats = parts.resume(&rest, &mut pieces).unwrap();
            assert_eq!(stats.prompt_tokens, 0, "nothing is read again");
            // Asked to stop before it began: the answer is as it was.
            assert!(
                stop_at > 1 || (stats.generated_tokens, position) == (0, parts.picture().position)
            );
            total += stats.generated_tokens;
        }
        pieces.tokens = None;
        let rest = Sampling {
            max_tokens: 60 - total,
            ..sampling.clone()
        };
        parts.resume(&rest, &mut pieces).unwrap();

        assert_eq!(last(&parts), last(&whole), "{preset}");
        assert_eq!(pieces.text, seen.text);
        assert_eq!(parts.token_texts(), whole.token_texts());
        assert_eq!(parts.messages(), whole.messages());
        assert_eq!(parts.picture().lens, whole.picture().lens);
        assert_eq!(parts.holders(), whole.holders());

        // And what is said next is the same as well.
        let next = |session: &mut Session| {
            let mut seen = Seen::default();
            session.ask("and then?", &sampling, &mut seen).unwrap();
            seen.text
        };
        assert_eq!(next(&mut parts), next(&mut whole));
    }
}

#[test]
fn an_answer_cut_at_its_longest_goes_on() {
    let mut whole = endless(Preset::ADA_SNAPKV);
    whole
        .ask("why?", &greedy(30), &mut Seen::default())
        .unwrap();
    let mut parts = endless(Preset::ADA_SNAPKV);
    parts
        .ask("why?", &greedy(10), &mut Seen::default())
        .unwrap();
    for _ in 0..2 {
        let stats = parts.resume(&greedy(10), &mut Seen::default()).unwrap();
        assert_eq!((stats.stop, stats.generated_tokens), (Stop::Length, 10));
    }
    assert_eq!(parts.messages(), whole.messages());
    assert_eq!(parts.token_texts(), whole.token_texts());
}

#[test]
fn a_conversation_that_was_brought_back_is_read_up_to_the_partial_answer() {
    let messages = vec![
        said(Role::User, "the first?"),
        said(Role::Assistant, "one"),
        said(Role::User, "the second?"),
        said(Role::Assistant, "the answer is in the"),
    ];
    let mut session = endless(Preset::FULL);
    session.restart(None, Some(messages.clone())).unwrap();
    let mut seen = Seen::default();
    let stats = session.resume(&greedy(12), &mut seen).unwrap();
    assert_eq!(session.messages().len(), 4, "the same message goes on");
    assert_eq!(last(&session), format!("the answer is in the{}", seen.text));

    // The same from the network itself: the message is open where the partial answer ends.
    let Model {
        network,
        tokenizer,
        template,
        ..
    } = session.model();
    let mut tokens = template
        .encode_chat(tokenizer, &messages[..3], true)
        .unwrap();
    tokens.extend(tokenizer.encode("the answer is in the", false).unwrap());
    assert_eq!(stats.prompt_tokens, tokens.len());
    let mut sequence = network.clone().sequence(8).unwrap();
    let mut logits = sequence.prefill(&tokens, &mut NoHooks).unwrap();
    for _ in 0..12 {
        let (best, _) = (0u32..)
            .zip(logits.unwrap())
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .unwrap();
        tokens.push(best);
        logits = sequence.decode(best, &|| false).unwrap();
    }
    let texts = session.token_texts();
    assert_eq!(texts.len(), tokens.len());
    let bytes = |id: &u32| String::from_utf8_lossy(&tokenizer.token_bytes(*id)).into_owned();
    let tail: Vec<String> = tokens[tokens.len() - 12..].iter().map(bytes).collect();
    assert_eq!(texts[texts.len() - 12..], tail);

    // A stop while it reads changes nothing.
    session.restart(None, Some(messages.clone())).unwrap();
    let mut impatient = Seen {
        patience: Some(1),
        ..Seen::default()
    };
    let stats = session.resume(&greedy(12), &mut impatient).unwrap();
    assert_eq!((stats.stop, stats.generated_tokens), (Stop::Interrupted, 0));
    assert_eq!(session.messages(), messages);
}

#[test]
fn what_cannot_go_on_says_why() {
    let mut session = session(Preset::ADA_SNAPKV, 24, 6);
    let resume = |session: &mut Session| {
        let error = session.resume(&greedy(4), &mut Seen::default());
        error.unwrap_err().to_string()
    };
    assert!(resume(&mut session).contains("ask something first"));
    // Tiny models end their answers now and then.
    for question in 0..200 {
        let question = format!("question {question}?");
        session.restart(None, None).unwrap();
        let stats = session.ask(&question, &greedy(40), &mut Seen::default());
        if stats.unwrap().stop == Stop::Eos {
            assert!(resume(&mut session).contains("complete"));
            return;
        }
    }
    panic!("no answer came to its own end");
}

#[test]
fn a_full_context_cannot_be_gone_on_with() {
    let spec = TinySpec {
        endless: true,
        context: 64,
        ..TinySpec::llama()
    };
    let mut session = Session::new(
        model(&spec, &EXACT),
        eviction(Preset::ADA_SNAPKV, 24, 6),
        None,
    )
    .unwrap();
    let stats = session
        .ask("a", &greedy(500), &mut Seen::default())
        .unwrap();
    assert_eq!(stats.stop, Stop::Length);
    let error = session.resume(&greedy(4), &mut Seen::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("64 tokens"), "{error}");
}

/// Regenerate, edit and branch go through [`Session::restart`] with what was said before.
#[test]
fn asking_again_has_no_trace_of_the_turn_that_was_taken_back() {
    let ask = |session: &mut Session, text: &str| {
        let mut seen = Seen::default();
        session.ask(text, &greedy(20), &mut seen).unwrap();
        seen.text
    };
    let long = "a long text that is evicted ".repeat(8);
    let start = |system: &str| {
        let mut session = session(Preset::ADA_SNAPKV, 24, 6);
        session.restart(Some(system.to_owned()), None).unwrap();
        ask(&mut session, &long);
        session
    };
    let mut kept = start("be brief");
    let before = kept.messages()[1..].to_vec();
    ask(&mut kept, "something else that is taken back");
    kept.restart(Some("another prompt".into()), Some(before.clone()))
        .unwrap();
    assert_eq!(
        kept.messages()[0].content,
        "be brief",
        "a retry keeps its system prompt"
    );
    assert_eq!(kept.picture().used_bytes, 0, "nothing stale in the cache");
    let again = ask(&mut kept, "second");

    // As if the turn taken back had never been.
    let mut fresh = session(Preset::ADA_SNAPKV, 24, 6);
    fresh
        .restart(Some("be brief".into()), Some(before))
        .unwrap();
    assert_eq!(ask(&mut fresh, "second"), again);
    assert_eq!(fresh.picture().lens, kept.picture().lens);
    assert_eq!(fresh.holders(), kept.holders());
    assert_eq!(fresh.token_texts(), kept.token_texts());

    // Another conversation takes the system prompt that holds now.
    let other = vec![said(Role::User, "x"), said(Role::Assistant, "y")];
    kept.restart(Some("another prompt".into()), Some(other.clone()))
        .unwrap();
    assert_eq!(kept.messages()[0].content, "another prompt");
    assert_eq!(kept.messages().len(), 3);

    // What goes on from it is the same conversation: a compared answer that is kept.
    let longer = [other, vec![said(Role::User, "z")]].concat();
    kept.restart(Some("a third".into()), Some(longer)).unwrap();
    assert_eq!(kept.messages()[0].content, "another prompt");
    assert_eq!(kept.messages().len(), 4);
}
