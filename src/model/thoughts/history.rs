//! What a template is told of earlier thoughts, and what it knows of thinking.

use serde::{Deserialize, Serialize};

use super::marks::{CHANNEL, PAIRS, Pair};
use super::{Part, Split, Splitter, parts, split};
use crate::model::message::{Message, Role};

/// A message as a template is told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub role: Role,
    pub content: String,
    /// What was thought before it, for templates that ask for that by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thoughts: Option<String>,
}

impl Told {
    /// A message as it is given away: without what was thought, or with it in a field of its own.
    pub fn given(message: &Message, thoughts: bool) -> Told {
        let Message { role, content } = message;
        if *role != Role::Assistant {
            return message.clone().into();
        }
        let thought = split(content).thoughts.trim().to_owned();
        Told {
            role: *role,
            content: super::answer(content),
            thoughts: Some(thought).filter(|thought| thoughts && !thought.is_empty()),
        }
    }
}

impl From<Message> for Told {
    fn from(Message { role, content }: Message) -> Told {
        Told {
            role,
            content,
            thoughts: None,
        }
    }
}

/// How a template takes an answer with thoughts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// It knows nothing of thoughts: it is told the answer only.
    #[default]
    Answer,
    /// In a field of their own (`reasoning_content`).
    Field,
    /// Within the message, with these marks: it takes out what it does not want.
    Marked(&'static Pair),
}

impl Form {
    /// As a template of this source takes it.
    pub fn of(source: &str) -> Form {
        let fields = [
            "reasoning_content",
            ".thinking",
            "['thinking']",
            "\"thinking\" in message",
        ];
        let marked = PAIRS.iter().find(|pair| source.contains(pair.close));
        // A block of a list, where a text will do.
        let block = source.contains("block['thinking']");
        let field = !block && fields.iter().any(|field| source.contains(field));
        match marked {
            _ if field => Form::Field,
            Some(pair) => Form::Marked(pair),
            None => Form::Answer,
        }
    }

    /// What the template is told; `plain` goes over everything but the marks.
    pub fn tell(self, message: &Message, plain: impl Fn(&str) -> String) -> Told {
        let Message { role, content } = message;
        let Split {
            thoughts,
            answer,
            open,
        } = match role {
            Role::Assistant => split(content),
            Role::System | Role::User => Split {
                answer: content.clone(),
                ..Split::default()
            },
        };
        let told = |content, thoughts| Told {
            role: *role,
            content,
            thoughts,
        };
        if thoughts.is_empty() && !open {
            return told(plain(&answer), None);
        }
        let bare = || plain(answer.trim_start_matches('\n'));
        match self {
            Form::Answer => told(bare(), None),
            // Another model's, which mean nothing here.
            Form::Marked(pair) if !content.trim_start().starts_with(pair.open) => {
                told(bare(), None)
            }
            Form::Field => told(bare(), Some(plain(thoughts.trim_matches('\n')))),
            Form::Marked(_) => {
                let mut whole: String = parts(content)
                    .into_iter()
                    .map(|(part, text)| match part {
                        Part::Mark => text.to_owned(),
                        Part::Thought | Part::Answer => plain(text),
                    })
                    .collect();
                whole.push_str(ending(content).unwrap_or_default());
                told(whole, None)
            }
        }
    }
}

/// What ends the thought in which an answer was broken off.
pub fn ending(raw: &str) -> Option<&'static str> {
    let mut splitter = Splitter::default();
    splitter.push(raw, &mut |_, _| {});
    splitter.ending()
}

/// What a template lets a person say about thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Knows {
    /// Its models think.
    pub thoughts: bool,
    /// On and off.
    pub switch: bool,
    /// How much.
    pub effort: bool,
}

impl Knows {
    pub fn of(source: &str) -> Knows {
        let marks = PAIRS.iter().any(|pair| source.contains(pair.close));
        let variable = ["enable_thinking", "if thinking", "thinking is defined"];
        Knows {
            thoughts: marks || source.contains(CHANNEL),
            switch: variable.iter().any(|name| source.contains(name)),
            effort: source.contains("reasoning_effort"),
        }
    }
}
