//! Models that think: what is read in each turn, stops within a thought, what comes back.

use std::sync::Mutex;

use super::scripted::{Script, Scripted};
use super::*;
use cachat::archive::Archive;
use cachat::engine::event::TurnStats;
use cachat::model::thoughts::{self, Split};
use cachat::testing::tiny::MIN_VOCAB;

const TEXT: i32 = 4;
const CONTROL: i32 = 3;

/// A family of models that think, with a template that does what its makers' does.
struct Family {
    name: &'static str,
    template: &'static str,
    marks: &'static [(&'static str, i32)],
    /// Behind the generation prompt.
    open: &'static str,
    close: &'static str,
    end: &'static str,
    /// The template leaves thoughts out of later turns.
    leaves_out: bool,
}

/// Thoughts in a field of their own.
const QWEN3: Family = Family {
    name: "qwen3",
    template: "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}\
        {%- if m.reasoning_content is defined and loop.last %}\
        {{ '<think>\n' + m.reasoning_content.strip('\n') + '\n</think>\n\n' }}{% endif %}\
        {{ m.content + '<|im_end|>\n' }}{% endfor %}\
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}\
        {%- if enable_thinking is defined and enable_thinking is false %}\
        {{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}",
    marks: &[("<think>", TEXT), ("</think>", TEXT)],
    open: "<think>\n",
    close: "\n</think>\n\n",
    end: "<|im_end|>",
    leaves_out: true,
};

/// The answer begins within a thought, whose marks are ordinary characters.
const R1: Family = Family {
    name: "r1",
    template: "{%- for m in messages %}{% set content = m.content %}{% if m.role == 'assistant' %}\
        {%- if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}\
        {{ 'Assistant: ' + content + '<|im_end|>' }}{% else %}{{ 'User: ' + content }}{% endif %}\
        {%- endfor %}{% if add_generation_prompt %}{{ 'Assistant: <think>\n' }}{% endif %}",
    marks: &[],
    open: "",
    close: "\n</think>\n\n",
    end: "<|im_end|>",
    leaves_out: true,
};

/// Channels, of control tokens.
const GPT_OSS: Family = Family {
    name: "gpt-oss",
    template: "{%- for m in messages %}{% if m.role == 'assistant' %}\
        {%- if '<|channel|>' in m.content or '<|channel|>' in m.thinking %}\
        {{ raise_exception('channels') }}{% endif %}\
        {%- if loop.last and not add_generation_prompt and 'thinking' in m %}\
        {{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif %}\
        {{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}\
        {%- else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}\
        {%- endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
    marks: &[
        ("<|start|>", CONTROL),
        ("<|end|>", CONTROL),
        ("<|message|>", CONTROL),
        ("<|channel|>", CONTROL),
        ("<|return|>", CONTROL),
        ("<|call|>", CONTROL),
    ],
    open: "<|channel|>analysis<|message|>",
    close: "<|end|><|start|>assistant<|channel|>final<|message|>",
    end: "<|return|>",
    leaves_out: true,
};

/// A channel that the template strips out of what was said.
const GEMMA4: Family = Family {
    name: "gemma4",
    template: "{%- for m in messages %}\
        {{ '<|turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}\
        {%- set told = namespace(text='') %}{% for part in m.content.split('<channel|>') %}\
        {%- set told.text = told.text + part.split('<|channel>')[0] %}{% endfor %}\
        {{ told.text.strip() + '<turn|>\n' }}{% endfor %}\
        {%- if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %}",
    marks: &[
        ("<|turn>", CONTROL),
        ("<turn|>", CONTROL),
        ("<|channel>", CONTROL),
        ("<channel|>", CONTROL),
    ],
    open: "<|channel>thought\n",
    close: "\n<channel|>",
    end: "<turn|>",
    leaves_out: true,
};

/// Everything stays as it was said; the answer has marks too.
const GRANITE: Family = Family {
    name: "granite",
    template: "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}\
        {%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\
        {#- <think></think> #}",
    marks: &[],
    open: "<think>",
    close: "</think><response>",
    end: "<|im_end|>",
    leaves_out: false,
};

const FAMILIES: [&Family; 5] = [&QWEN3, &R1, &GPT_OSS, &GEMMA4, &GRANITE];

struct Stage {
    session: Session,
    script: Arc<Mutex<Script>>,
}

impl Family {
    fn stage(&self, eviction: Eviction, archived: bool) -> Stage {
        let spec = TinySpec {
            template: self.template,
            marks: self.marks,
            vocab: MIN_VOCAB + self.marks.len(),
            layers: 3,
            context: 8192,
            ..TinySpec::llama()
        };
        self.over(model(&spec, &EXACT), eviction, archived)
    }

    fn over(&self, mut model: Model, eviction: Eviction, archived: bool) -> Stage {
        let end = model.tokenizer.token_id(self.end).unwrap();
        let (network, script) = Scripted::over(model.network, end);
        model.network = network;
        let archive = Archive::in_memory(model.network.identity(), 1 << 30);
        let mut session = Session::new(model, eviction, None).unwrap();
        if archived {
            session.set_archive(Some(Arc::new(archive))).unwrap();
        }
        Stage { session, script }
    }

    /// What the model writes.
    fn raw(&self, thought: &str, answer: &str) -> String {
        format!("{}{thought}{}{answer}", self.open, self.close)
    }
}

impl Stage {
    fn says(&self, raw: &str) {
        let tokens = self.session.model().tokenizer.encode(raw, true).unwrap();
        self.script.lock().unwrap().tokens = tokens.into();
    }

    fn ask(&mut self, question: &str, sampling: &Sampling) -> (Seen, TurnStats) {
        self.script.lock().unwrap().logits.clear();
        let mut seen = Seen::default();
        let stats = self.session.ask(question, sampling, &mut seen).unwrap();
        (seen, stats)
    }

    /// Of the token behind the question.
    fn first(&self) -> Vec<f32> {
        self.script.lock().unwrap().logits[0].clone()
    }

    fn last(&self) -> Split {
        thoughts::split(&self.session.messages().last().unwrap().content)
    }

    fn tokens(&self, text: &str) -> usize {
        self.session
            .model()
            .tokenizer
            .encode(text, true)
            .unwrap()
            .len()
    }
}

const THOUGHT: &str = "Let me see. The question is what the user wants, and that is in the text above. \
    So it must be as it was said there, and nothing else than that.";

fn full() -> Eviction {
    eviction(Preset::FULL, 64, 6)
}

/// With an archive, and without one while nothing was evicted: a turn reads what is new and the last
/// answer without its thought, and has the logits of a conversation that reads all of it.
#[test]
fn ten_turns_read_only_what_is_new_and_the_last_answer() {
    for family in FAMILIES {
        for archived in [true, false] {
            let mut turns = family.stage(full(), archived);
            let mut read = Vec::new();
            for turn in 0..10 {
                let question = format!("question {turn}, please?");
                let before = turns.session.messages().to_vec();
                turns.says(&family.raw(THOUGHT, &format!("It is {turn}.")));
                let (_, stats) = turns.ask(&question, &greedy(400));
                assert_eq!(stats.stop, Stop::Eos);
                assert!(stats.thought_tokens > 50, "{} {stats:?}", family.name);
                let said = turns.last();
                assert_eq!(said.thoughts.trim(), THOUGHT, "{}", family.name);
                assert_eq!(said.answer.trim(), format!("It is {turn}."));
                read.push(stats.prompt_tokens);

                let mut again = family.stage(full(), false);
                again.session.restart(None, Some(before)).unwrap();
                let (_, whole) = again.ask(&question, &greedy(1));
                // As close as sums in another order are.
                close(&turns.first(), &again.first(), 5e-6);
                let all = whole.prompt_tokens;
                assert!(turn < 5 || all > 200, "{all}");
                assert!(stats.prompt_tokens + stats.reused_tokens == all || !archived);
            }
            // What is new, the answer before, and the window, whose tokens judge.
            let frame = turns.tokens("question 0, please?") + turns.tokens("It is 0.") + 60;
            println!(
                "{} archived {archived}: {read:?}, at most {frame}",
                family.name
            );
            for &read in &read[1..] {
                assert!(read <= frame, "{}: {read} of {frame}", family.name);
            }
            let mut said = turns.session.messages().to_vec();
            said.push(Message {
                role: Role::User,
                content: String::new(),
            });
            let written = turns.session.model().template.render(&said, true).unwrap();
            let kept = written.matches("Let me see").count();
            assert_eq!(
                kept,
                if family.leaves_out { 0 } else { 10 },
                "{}",
                family.name
            );
        }
    }
}

/// Over small caches, with an archive: the same few tokens are read, and what is kept is what one prompt
/// keeps.
#[test]
fn over_an_evicted_cache_the_archive_gives_the_rest() {
    for family in FAMILIES {
        let rule = eviction(Preset::ADA_SNAPKV, 40, 6);
        let mut turns = family.stage(rule, true);
        for turn in 0..6 {
            let question = format!("question {turn}, please?");
            let before = turns.session.messages().to_vec();
            turns.says(&family.raw(THOUGHT, &format!("It is {turn}.")));
            let (_, stats) = turns.ask(&question, &greedy(400));
            let answer = match family.leaves_out {
                true => "It is 0.".to_owned(),
                // Decoded over a small cache, it is read with what it thought.
                false => family.raw(THOUGHT, "It is 0."),
            };
            let frame = turns.tokens(&question) + turns.tokens(&answer) + 60;
            assert!(
                stats.prompt_tokens <= frame,
                "{}: {stats:?} {frame}",
                family.name
            );

            let mut again = family.stage(rule, false);
            again.session.restart(None, Some(before)).unwrap();
            again.ask(&question, &greedy(1));
            close(&turns.first(), &again.first(), 5e-6);
        }
    }
}

#[test]
fn a_thought_that_is_too_long_is_ended_and_the_answer_comes() {
    for family in FAMILIES {
        let mut stage = family.stage(full(), true);
        stage.says(&format!("{}{}", family.open, "so ".repeat(80)));
        let sampling = Sampling {
            think_tokens: 30,
            ..greedy(400)
        };
        let (_, stats) = stage.ask("why?", &sampling);
        let said = stage.last();
        assert!(!said.open, "{}: {said:?}", family.name);
        assert_eq!(stats.stop, Stop::Eos);
        assert!(
            (30..48).contains(&stats.thought_tokens),
            "{}: {stats:?}",
            family.name
        );
        assert!(
            said.answer.contains("so so so"),
            "{}: {said:?}",
            family.name
        );
        // The marks are the model's own tokens.
        let raw = &stage.session.messages()[1].content;
        let opened = if family.open.is_empty() {
            "<think>\n"
        } else {
            ""
        };
        // What it would put around its answer is its own business.
        let close = family.close.trim().trim_end_matches("<response>");
        assert!(raw.starts_with(opened) && raw.contains(close), "{raw}");
        // A short answer has room behind a thought as well.
        stage.says(&format!("{}{}", family.open, "so ".repeat(80)));
        let (_, stats) = stage.ask("why?", &greedy(40));
        assert!(
            stats.generated_tokens <= 40 && stats.thought_tokens >= 30,
            "{stats:?}"
        );
        // And may have none.
        stage.says(&format!("{}{}", family.open, "so ".repeat(80)));
        let never = Sampling {
            think_tokens: 0,
            ..greedy(60)
        };
        let (_, stats) = stage.ask("why?", &never);
        assert!(stage.last().open && stats.stop == Stop::Length, "{stats:?}");
    }
}

/// Stopped within a thought: it goes on, here or brought back, as if it had not been stopped; and another
/// question may follow instead.
#[test]
fn a_thought_that_was_stopped_goes_on() {
    for family in FAMILIES {
        for archived in [true, false] {
            let raw = family.raw(THOUGHT, "It is so.");
            let mut whole = family.stage(full(), archived);
            whole.says(&raw);
            whole.ask("why?", &greedy(400));

            let mut stopped = family.stage(full(), archived);
            stopped.says(&raw);
            let mut seen = Seen {
                tokens: Some(40),
                ..Seen::default()
            };
            stopped
                .session
                .ask("why?", &greedy(400), &mut seen)
                .unwrap();
            assert!(stopped.last().open, "{}: {:?}", family.name, stopped.last());
            let partial = stopped.session.messages().to_vec();
            let rest = stopped.script.lock().unwrap().tokens.clone();
            let stats = stopped
                .session
                .resume(&greedy(400), &mut Seen::default())
                .unwrap();
            assert_eq!((stats.stop, stats.prompt_tokens), (Stop::Eos, 0));
            assert_eq!(stopped.session.messages(), whole.session.messages());
            assert_eq!(stopped.session.token_texts(), whole.session.token_texts());

            // `--continue`: another program goes on.
            let mut back = family.stage(full(), archived);
            back.session.restart(None, Some(partial.clone())).unwrap();
            // The token that was drawn and not fed is in the partial answer.
            back.script.lock().unwrap().tokens = rest;
            let mut seen = Seen::default();
            back.session.resume(&greedy(400), &mut seen).unwrap();
            assert_eq!(
                back.session.messages(),
                whole.session.messages(),
                "{}",
                family.name
            );
            assert_eq!(
                back.session.position(),
                whole.session.position(),
                "{}",
                family.name
            );

            // Or something else is asked.
            let mut other = family.stage(full(), archived);
            other.session.restart(None, Some(partial)).unwrap();
            other.says(&family.raw("Well.", "Yes."));
            for question in ["what?", "and?"] {
                let (_, stats) = other.ask(question, &greedy(400));
                assert_eq!(stats.stop, Stop::Eos, "{}", family.name);
            }
            assert_eq!(other.session.messages().len(), 6);
        }
    }
}

/// An edited question and a branch read from where they differ.
#[test]
fn editing_and_branching_read_from_where_they_differ() {
    for family in FAMILIES {
        let mut stage = family.stage(full(), true);
        for turn in 0..5 {
            stage.says(&family.raw(THOUGHT, &format!("It is {turn}.")));
            stage.ask(&format!("question {turn}, please?"), &greedy(400));
        }
        let all = stage.session.messages().to_vec();
        for turns in (1..5).rev() {
            stage
                .session
                .restart(None, Some(all[..2 * turns].to_vec()))
                .unwrap();
            stage.says(&family.raw("Other.", "No."));
            let (_, stats) = stage.ask(&format!("question {turns}, other?"), &greedy(400));
            assert!(
                stats.prompt_tokens <= 90,
                "{} {turns}: {stats:?}",
                family.name
            );
            assert!(
                stats.reused_tokens > 40 * turns - 30,
                "{} {turns}: {stats:?}",
                family.name
            );
        }
    }
}

#[test]
fn where_nothing_is_thought_nothing_is_read_twice_either() {
    let off = Sampling {
        thinking: Thinking {
            enable: Enable::Off,
            effort: Effort::Auto,
        },
        ..greedy(100)
    };
    for archived in [true, false] {
        let mut stage = QWEN3.stage(full(), archived);
        for turn in 0..6 {
            stage.says("It is so.");
            let (_, stats) = stage.ask("why?", &off);
            assert_eq!(stats.thought_tokens, 0);
            assert!(stats.prompt_tokens <= 70, "{stats:?}");
            assert!(
                turn == 0 || archived || stats.reused_tokens > 0,
                "{stats:?}"
            );
        }
    }
}

/// What another model thought is not said to this one, and what a person writes are no marks.
#[test]
fn thoughts_of_others_and_marks_that_people_write() {
    for family in FAMILIES {
        let mut stage = family.stage(full(), true);
        let mut said = Vec::new();
        for other in FAMILIES {
            let content = "<|channel|>final<|message|> <channel|> </think>".to_owned();
            said.push(Message {
                role: Role::User,
                content,
            });
            let begun = if other.open.is_empty() { "<think>" } else { "" };
            let content = format!("{begun}{}", other.raw("secret", "Known."));
            said.push(Message {
                role: Role::Assistant,
                content,
            });
        }
        stage.session.restart(None, Some(said)).unwrap();
        stage.says(&family.raw("So.", "Yes."));
        let (_, stats) = stage.ask("why?", &greedy(100));
        assert_eq!(stats.stop, Stop::Eos);
        let read = stage.session.token_texts().concat();
        let known = read.matches("Known.").count();
        assert_eq!(known, 5, "{}: {read}", family.name);
        assert!(
            read.matches("secret").count() <= 3,
            "{}: {read}",
            family.name
        );
        assert!(
            !family.leaves_out || !read.contains("secret"),
            "{}: {read}",
            family.name
        );
    }
}

/// A state cannot be cut to a shorter text: it is kept at the place where the template begins to write
/// otherwise.
#[test]
fn models_with_states_read_only_what_is_new_and_the_last_answer() {
    let template = "{% for m in messages %}{{ m.role + ': ' + m.content.split('</think>')[-1] + \
        '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: <think>\n' }}{% endif %}";
    for architecture in ["qwen35", "lfm2"] {
        let stage = |archived| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tiny.gguf");
            cachat::testing::write_family_gguf(&path, architecture, 3).unwrap();
            R1.over(super::templates::patched(&path, template), full(), archived)
        };
        let mut turns = stage(true);
        for turn in 0..8 {
            let question = match turn {
                0 => format!("{} what?", "a line of a text. ".repeat(30)),
                n => format!("question {n}, please?"),
            };
            let before = turns.session.messages().to_vec();
            turns.says(&R1.raw(THOUGHT, &format!("It is {turn}.")));
            let (_, stats) = turns.ask(&question, &greedy(400));
            let frame = turns.tokens(&question) + turns.tokens("It is 0.") + 80;
            assert!(
                stats.prompt_tokens <= frame,
                "{architecture} {turn}: {stats:?}"
            );
            let mut again = stage(false);
            again.session.restart(None, Some(before)).unwrap();
            again.ask(&question, &greedy(1));
            close(&turns.first(), &again.first(), 2e-5);
        }
    }
}
