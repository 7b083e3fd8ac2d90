//! The same turn under several policies.

use cachat::engine::compare::{Comparison, Past};

use super::*;

fn endless(preset: Preset) -> Session {
    let spec = TinySpec {
        endless: true,
        ..TinySpec::llama()
    };
    Session::new(model(&spec, &EXACT), eviction(preset, 24, 6), None).unwrap()
}

fn compare(session: &Session, question: Option<&str>, presets: &[Preset]) -> Comparison {
    let evictions: Vec<Eviction> = presets.iter().map(|p| eviction(*p, 24, 6)).collect();
    let mut seen = Seen::default();
    session
        .compare(question, &evictions, 30, &mut seen)
        .unwrap()
}

const THREE: [Preset; 3] = [Preset::FULL, Preset::SNAPKV, Preset::ADA_SNAPKV];

#[test]
fn the_full_cache_against_itself_differs_in_nothing() {
    let session = endless(Preset::ADA_SNAPKV);
    let text = "a text of some length ".repeat(6);
    let found = compare(&session, Some(&text), &[Preset::FULL, Preset::FULL]);
    assert_eq!(found.runs.len(), 2);
    let (full, again) = (&found.runs[0], &found.runs[1]);
    assert_eq!(full.answer, again.answer);
    assert_eq!((full.kl_mean, full.first_divergence), (None, None));
    assert_eq!(again.kl.len(), full.generated_tokens - 1);
    assert_eq!(again.kl_mean, Some(0.0));
    assert_eq!(again.top1_agree, Some(1.0));
    assert_eq!(again.first_divergence, None);
    assert_eq!(again.same_bytes, again.answer.len());
    assert_eq!(again.kv_used_bytes, again.kv_full_bytes);
}

#[test]
fn eviction_is_measured_against_the_full_cache() {
    let session = endless(Preset::ADA_SNAPKV);
    let text = "a text of some length, and of words ".repeat(8);
    let found = compare(&session, Some(&text), &THREE);
    let [full, uniform, adaptive] = &found.runs[..] else {
        panic!("{} runs", found.runs.len())
    };
    assert_eq!(found.plan.past, Past::Empty);
    assert_eq!(full.retained_mass, 1.0);
    for run in [uniform, adaptive] {
        assert_eq!(run.budget, Some(24));
        assert!(run.kv_used_bytes < full.kv_used_bytes / 2);
        assert_eq!(run.kv_full_bytes, full.kv_used_bytes);
        assert!(run.retained_mass < 1.0);
        assert_eq!(run.kl.len(), full.generated_tokens - 1);
        assert!(run.kl_mean.unwrap() > 0.0);
        let at = run
            .first_divergence
            .expect("so small a budget changes the answer");
        assert!(at > 0, "the first token comes from the prefill itself");
        assert_eq!(run.answer[..run.same_bytes], full.answer[..run.same_bytes]);
        assert_ne!(run.answer, full.answer);
    }
    assert_eq!(
        uniform.kv_used_bytes, adaptive.kv_used_bytes,
        "the same budget"
    );
    // The full cache's answer is what the conversation itself would have got.
    let mut plain = endless(Preset::FULL);
    let mut seen = Seen::default();
    plain.ask(&text, &greedy(30), &mut seen).unwrap();
    assert_eq!(
        plain.messages()[1].content,
        full.answer.trim_end_matches('\u{fffd}')
    );
}

#[test]
fn a_comparison_leaves_the_conversation_as_it_was() {
    let text = "a text of some length ".repeat(8);
    let ask = |session: &mut Session, text: &str| {
        let mut seen = Seen::default();
        session.ask(text, &greedy(20), &mut seen).unwrap();
        seen.text
    };
    for preset in [Preset::FULL, Preset::ADA_SNAPKV] {
        let (mut plain, mut compared) = (endless(preset), endless(preset));
        assert_eq!(ask(&mut plain, &text), ask(&mut compared, &text));
        // Of the full cache the runs share the past; what was evicted has to be read again.
        let found = compare(&compared, Some("and then?"), &THREE);
        let (past, read) = match preset == Preset::FULL {
            true => (Past::Shared, compared.picture().position),
            false => (Past::Reread, 0),
        };
        assert_eq!(found.plan.past, past);
        assert_eq!(found.plan.prompt_tokens, found.plan.position - read);
        let again = compare(&compared, None, &THREE);
        assert_eq!(
            (again.plan.past, &again.plan.question),
            (Past::Empty, &text)
        );
        for patience in [1, 5] {
            let mut impatient = Seen {
                patience: Some(patience),
                ..Seen::default()
            };
            let evictions = THREE.map(|p| eviction(p, 24, 6));
            let found = compared.compare(None, &evictions, 30, &mut impatient);
            assert!(found.unwrap().stopped);
        }
        assert_eq!(plain.picture().lens, compared.picture().lens);
        assert_eq!(plain.messages(), compared.messages());
        assert_eq!(plain.holders(), compared.holders());
        assert_eq!(ask(&mut plain, "next"), ask(&mut compared, "next"));
        assert_eq!(plain.token_texts(), compared.token_texts());
    }
}

#[test]
fn the_same_question_is_asked_without_its_earlier_answer() {
    let mut session = endless(Preset::FULL);
    let question = "what is it?";
    let text = format!(
        "[a.txt]\n{}\n[end of a.txt]\n\n{question}",
        "a text ".repeat(9)
    );
    session
        .ask(&text, &greedy(20), &mut Seen::default())
        .unwrap();
    let found = compare(&session, Some(question), &THREE);
    assert!(found.plan.left_out);
    assert_eq!(
        (found.plan.past, &found.plan.question),
        (Past::Empty, &text)
    );
    let other = compare(&session, Some("and why?"), &THREE);
    assert!(!other.plan.left_out);
    assert_eq!(other.plan.past, Past::Shared);
    let last = compare(&session, None, &THREE);
    assert_eq!(last.plan, found.plan, "as if it had been asked for");
}

#[test]
fn compared_runs_do_not_enter_the_conversations_graphs() {
    let mut session = endless(Preset::FULL);
    let mut seen = Seen::default();
    session.ask("one", &greedy(20), &mut seen).unwrap();
    let evictions = THREE.map(|p| eviction(p, 24, 6));
    let mut seen = Seen::default();
    session
        .compare(Some("and why?"), &evictions, 30, &mut seen)
        .unwrap();
    assert_eq!(seen.pictures, []);
    assert_eq!(seen.decoded, 0, "nor its speeds");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let session = endless(Preset::FULL);
    let evictions = [eviction(Preset::FULL, 24, 6)];
    let found = session.compare(None, &evictions, 4, &mut Seen::default());
    assert!(found.unwrap_err().to_string().contains("nothing was asked"));
    let evictions = [eviction(Preset::SNAPKV, 8, 6)];
    let found = session.compare(Some("x"), &evictions, 4, &mut Seen::default());
    assert!(
        found
            .unwrap_err()
            .to_string()
            .contains("smallest legal budget")
    );
}
