use super::*;
use crate::model::detokenize::Utf8Stream;
use crate::model::message::{Message, Role};
use proptest::prelude::*;

/// Answers with their thoughts and what is said.
const CASES: &[(&str, &str, &str)] = &[
    ("plain", "", "plain"),
    ("<think>\nso\n</think>\n\nyes", "\nso\n", "\n\nyes"),
    ("\n<think>é</think>ü", "é", "ü"),
    ("<think></think>x", "", "x"),
    ("say <think>no</think>", "", "say <think>no</think>"),
    (
        "<think>a</think>b<think>c</think>",
        "a",
        "b<think>c</think>",
    ),
    ("<think>a < b </ c</think>d", "a < b </ c", "d"),
    ("<think>a</think><response>b</response>", "a", "b"),
    ("<think>a</think>\n<response>b < c", "a", "b < c"),
    ("<think>never ends", "never ends", ""),
    ("<think>never</thi", "never</thi", ""),
    ("<thi", "", "<thi"),
    ("<thinks so>", "", "<thinks so>"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("<|channel>thought\na\n<channel|>b", "\na\n", "b"),
    (
        "Here is my thought process: a\n\nHere is my response: b",
        " a\n\n",
        " b",
    ),
    ("Here is my other", "", "Here is my other"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
        "a",
        "b",
    ),
    ("<|channel|>final<|message|>b", "", "b"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b\
         <|start|>assistant<|channel|>final <|constrain|>json<|message|>c",
        "a\n\nb",
        "c",
    ),
    ("<|channel|>analysis<|message|>a<|en", "a<|en", ""),
    ("", "", ""),
    (" \n ", "", " \n "),
];

#[test]
fn marks_are_found_wherever_they_are_cut() {
    for (raw, thoughts, answer) in CASES {
        let whole = split(raw);
        assert_eq!(
            (&*whole.thoughts, &*whole.answer),
            (*thoughts, *answer),
            "{raw}"
        );
        assert_eq!(
            parts(raw).iter().map(|(_, text)| *text).collect::<String>(),
            *raw
        );
        // Two cuts at any bytes, within characters too.
        for a in 0..=raw.len() {
            for b in a..=raw.len() {
                let mut bytes = Utf8Stream::default();
                let mut splitter = Splitter::default();
                let mut came = String::new();
                let (mut thought, mut said) = (String::new(), String::new());
                let mut told = |part, text: &str| {
                    came.push_str(text);
                    match part {
                        Part::Mark => {}
                        Part::Thought => thought.push_str(text),
                        Part::Answer => said.push_str(text),
                    }
                };
                for piece in [
                    &[][..],
                    &raw.as_bytes()[..a],
                    &raw.as_bytes()[a..b],
                    &raw.as_bytes()[b..],
                ] {
                    splitter.push(&bytes.push(piece), &mut told);
                }
                splitter.finish(&mut told);
                assert_eq!(came, *raw);
                assert_eq!(thought, thoughts.replace("a\n\nb", "ab"), "{raw} {a} {b}");
                assert_eq!(said, *answer, "{raw} {a} {b}");
            }
        }
    }
}

#[test]
fn a_thought_that_is_open_is_known_and_what_ends_it() {
    let state = |raw: &str| {
        let mut splitter = Splitter::default();
        splitter.push(raw, &mut |_, _| {});
        (splitter.thinking(), splitter.ending())
    };
    assert_eq!(state("<think>\n"), (true, Some("\n</think>\n\n")));
    assert_eq!(state("<think>a</think>"), (false, None));
    assert_eq!(state("x"), (false, None));
    let (open, ending) = state("<|channel|>analysis<|message|>so");
    assert!(open && ending.is_some_and(|text| text.ends_with("final<|message|>")));
    assert!(split("<think>").open && !split("<think></think>").open);
    assert_eq!(
        opened("<|im_start|>assistant\n<think>\n"),
        Some("<think>\n")
    );
    assert_eq!(opened("<think>\n\n</think>\n\n"), None);
    assert_eq!(answer("<think>a</think>\n\nb"), "b");
    assert_eq!(answer("\n\nb"), "\n\nb");
}

#[test]
fn templates_are_known_by_what_they_say() {
    let source = "{% if enable_thinking %}{{ m.content.split('</think>')[-1] }}{% endif %}";
    assert!(matches!(Form::of(source), Form::Marked(pair) if pair.open == "<think>"));
    let knows = Knows::of(source);
    assert!(knows.thoughts && knows.switch && !knows.effort);
    assert_eq!(Form::of("{{ m.reasoning_content }} </think>"), Form::Field);
    let channels = "{{ reasoning_effort }}<|channel|>analysis{{ message.thinking }}";
    assert_eq!(Form::of(channels), Form::Field);
    assert!(Knows::of(channels).effort && Knows::of(channels).thoughts);
    let plain = "{{ m.role }}: {{ m.content }}";
    assert_eq!(
        (Form::of(plain), Knows::of(plain)),
        (Form::Answer, Knows::default())
    );

    let said = |content: &str| Message {
        role: Role::Assistant,
        content: content.into(),
    };
    let loud = |text: &str| text.to_uppercase();
    let thought = said("<think>\nso\n</think>\n\nyes");
    let told = Form::Field.tell(&thought, loud);
    assert_eq!(
        (&*told.content, told.thoughts.as_deref()),
        ("YES", Some("SO"))
    );
    let told = Form::Marked(&PAIRS[0]).tell(&thought, loud);
    assert_eq!(told.content, "<think>\nSO\n</think>\n\nYES");
    assert_eq!(Form::Answer.tell(&thought, loud).content, "YES");
    // Broken off, it is closed.
    let told = Form::Marked(&PAIRS[0]).tell(&said("<think>\nso"), loud);
    assert_eq!(told.content, "<think>\nSO\n</think>\n\n");
    // What a person writes has no thoughts.
    let question = Message {
        role: Role::User,
        ..thought.clone()
    };
    assert_eq!(
        Form::Field.tell(&question, str::to_owned).content,
        question.content
    );
    assert_eq!(Told::given(&thought, false).thoughts, None);
    assert_eq!(Told::given(&thought, true).thoughts.as_deref(), Some("so"));
    assert_eq!(Told::given(&question, true).content, question.content);
    assert_eq!(quoted("a\n\nb\n"), "> a\n>\n> b\n\n");
}

proptest! {
    /// Whatever comes in whatever pieces: nothing is lost, and pieces tell what the whole does.
    #[test]
    fn pieces_tell_what_the_whole_does(
        pieces in prop::collection::vec(
            prop_oneof![
                "[a<>/|é ]{0,4}",
                // Around as much as is waited for.
                (230usize..270).prop_map(|n| " ".repeat(n)),
                (230usize..270).prop_map(|n| "a".repeat(n)),
                prop::sample::select(vec![
                    "<think>", "</think>", "<response>", "</response>", "<|channel|>", "<|message|>",
                    "<|end|>", "<|start|>", "final", "analysis", "[THINK]", "[/THINK]", "<|channel>",
                    "thought", "<channel|>", "Here is my ", "thought process:", "response:",
                ]).prop_map(str::to_owned),
            ],
            0..12,
        )
    ) {
        let whole: String = pieces.concat();
        let mut splitter = Splitter::default();
        let mut told = Vec::new();
        let mut tell = |part: Part, text: &str| told.extend(text.chars().map(|c| (part, c)));
        for piece in &pieces {
            splitter.push(piece, &mut tell);
        }
        splitter.finish(&mut tell);
        let once: Vec<_> = parts(&whole)
            .into_iter()
            .flat_map(|(part, text)| text.chars().map(move |c| (part, c)))
            .collect();
        prop_assert_eq!(told, once);
    }
}

/// A megabyte of marks, as a model that goes round in circles writes them, costs a moment.
#[test]
fn an_answer_of_nothing_but_marks_is_told_apart_in_one_go() {
    let round = "<|channel|>analysis<|message|>a<|end|><|start|>assistant";
    let text = round.repeat((1 << 20) / round.len());
    let work = crate::testing::Work::begin();
    let parts = split(&text);
    assert_eq!(parts.thoughts.matches('a').count(), (1 << 20) / round.len());
    assert!(work.done() < std::time::Duration::from_secs(5));
}
