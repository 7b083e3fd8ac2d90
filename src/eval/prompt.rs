//! A sample as token ids: what all its questions share, and each question's whole prompt.

use super::data::{Question, Sample};
use super::error::EvalError;
use crate::engine::session::Model;
use crate::model::message::{Message, Role};
use crate::model::tokenizer::Tokenizer;

/// A sample's prompts.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Tokens that every prompt begins with, and in which no question has a part.
    pub shared: usize,
    /// Of each question, all tokens.
    pub questions: Vec<Vec<u32>>,
    /// The texts as they are read: over-long prompts have lost their middle.
    pub texts: Texts,
}

/// What is left of a sample's texts.
#[derive(Clone, Debug)]
pub struct Texts {
    pub context: String,
    /// What stands behind it, of each question.
    pub questions: Vec<String>,
    /// Tokens of the context that were lost.
    pub lost: usize,
}

/// Writes samples as a model reads them.
pub struct Writer<'m> {
    pub model: &'m Model,
    /// Most tokens of a prompt with its answer.
    pub most: usize,
}

impl Writer<'_> {
    /// The prompts of a sample.
    ///
    /// # Errors
    /// An answer for which there is no room, and what the template or the tokenizer say.
    pub fn write(&self, sample: &Sample) -> Result<Prompt, EvalError> {
        let texts = self.shortened(sample)?;
        let context = &texts.context;
        let mut questions = Vec::with_capacity(sample.questions.len());
        let mut probes: Vec<((bool, &str), Vec<u32>)> = Vec::new();
        let mut shared = usize::MAX;
        for (question, text) in sample.questions.iter().zip(&texts.questions) {
            let tokens = self.tokens(question, context, text, &question.lead)?;
            // Behind the context stands something else: what is the same up to there is the context's.
            let other = if text.starts_with('§') { "¶" } else { "§" };
            let kind = (question.rule.chat, other);
            if !probes.iter().any(|(known, _)| *known == kind) {
                probes.push((kind, self.tokens(question, context, other, "")?));
            }
            for (_, probe) in probes.iter().filter(|(known, _)| *known == kind) {
                let same = tokens.iter().zip(probe).take_while(|(a, b)| a == b);
                // A prompt's last token is always read behind what was evicted.
                shared = shared.min(same.count()).min(tokens.len().saturating_sub(1));
            }
            if tokens.len().saturating_add(self.answer_tokens(question)?) > self.most {
                return Err(self.too_long(sample, tokens.len()));
            }
            questions.push(tokens);
        }
        Ok(Prompt {
            shared,
            questions,
            texts,
        })
    }

    /// What stands behind the text, asking for it again from its token `from` on, up to where that begins: in
    /// words of KVzip's published code.
    ///
    /// # Errors
    /// What the template or the tokenizer say.
    pub fn again(
        &self,
        sample: &Sample,
        prompt: &Prompt,
        from: usize,
    ) -> Result<Vec<u32>, EvalError> {
        /// Tokens before a part by which it is named.
        const NAMED_BY: usize = 8;
        let (Some(question), Some(tokens)) = (sample.questions.first(), prompt.questions.first())
        else {
            return Ok(Vec::new());
        };
        let text = &tokens[..prompt.shared];
        let request = match from {
            0 => "\n\nRepeat the previous context exactly.".to_owned(),
            _ => {
                let before = &text[from.saturating_sub(NAMED_BY)..from];
                let named = text_of(&self.model.tokenizer, before);
                let named = named.trim_start();
                format!(
                    "\n\nRepeat the part of the previous context exactly, starting with {named}"
                )
            }
        };
        let end = if question.rule.chat { "" } else { "\n" };
        let asked = self.tokens(question, &prompt.texts.context, &request, end)?;
        let same = asked.iter().zip(text).take_while(|(a, b)| a == b).count();
        Ok(asked[same..].to_vec())
    }

    fn too_long(&self, sample: &Sample, tokens: usize) -> EvalError {
        EvalError::TooLong {
            id: sample.id.clone(),
            tokens,
            most: self.most,
        }
    }

    /// All of a prompt: in the model's template, or as a text to go on with.
    fn tokens(
        &self,
        question: &Question,
        context: &str,
        text: &str,
        lead: &str,
    ) -> Result<Vec<u32>, EvalError> {
        let tokenizer = &self.model.tokenizer;
        if !question.rule.chat {
            let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
            let all = [context, text, lead].concat();
            let ids = tokenizer.encode(&all, false)?;
            return Ok(bos.into_iter().chain(ids).collect());
        }
        let messages = [user([context, text].concat())];
        let mut ids = self.chat(&messages)?;
        ids.extend(tokenizer.encode_on(lead.trim_start())?);
        Ok(ids)
    }

    /// A conversation up to where the answer to its next question begins, behind `answers` to those before:
    /// in the model's template, or as a text to go on with.
    ///
    /// # Errors
    /// What the template or the tokenizer say.
    pub fn turn(
        &self,
        sample: &Sample,
        texts: &Texts,
        answers: &[String],
    ) -> Result<Vec<u32>, EvalError> {
        let asked = sample.questions.iter().zip(&texts.questions);
        let mut said = asked.clone().zip(answers);
        let Some((next, text)) = asked.clone().nth(answers.len()) else {
            return Ok(Vec::new());
        };
        if !next.rule.chat {
            let mut before = texts.context.clone();
            said.by_ref().for_each(|((question, text), answer)| {
                before.extend([text.as_str(), &question.lead, answer]);
            });
            return self.tokens(next, &before, text, &next.lead);
        }
        let mut messages = Vec::new();
        for ((question, text), answer) in said {
            messages.push(asked_in(texts, messages.len(), text));
            messages.push(Message {
                role: Role::Assistant,
                content: [question.lead.trim_start(), answer].concat(),
            });
        }
        messages.push(asked_in(texts, messages.len(), text));
        let mut ids = self.chat(&messages)?;
        ids.extend(self.model.tokenizer.encode_on(next.lead.trim_start())?);
        Ok(ids)
    }

    /// Most tokens of a question's answer: of an option, where options are weighed.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn answer_tokens(&self, question: &Question) -> Result<usize, EvalError> {
        if !question.rule.metric.weighs() {
            return Ok(question.rule.max_tokens);
        }
        let mut most = 0;
        for option in &question.classes {
            most = most.max(self.model.tokenizer.encode_on(option)?.len());
        }
        Ok(most)
    }

    /// A conversation up to where its answer begins.
    fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, EvalError> {
        let Model {
            template,
            tokenizer,
            ..
        } = self.model;
        Ok(template.encode_chat(tokenizer, messages, true)?)
    }

    /// The texts, without their middle where a prompt would be too long. LongBench's rule: of a prompt that
    /// may have so many tokens, the first half and the last half are kept. Of several questions the one
    /// that takes most decides, so that all have the same context.
    fn shortened(&self, sample: &Sample) -> Result<Texts, EvalError> {
        let tokenizer = &self.model.tokenizer;
        // What meets at the cut and at the ends may take some tokens more than apart.
        const JOINTS: usize = 8;
        let (mut frame, mut behind) = (0, 0);
        for question in &sample.questions {
            let tokens = self.tokens(question, "", "", &question.lead)?.len();
            frame = frame.max(tokens.saturating_add(self.answer_tokens(question)?));
        }
        let room = self.most.saturating_sub(frame.saturating_add(JOINTS));
        let mut questions = Vec::with_capacity(sample.questions.len());
        for question in &sample.questions {
            let ids = tokenizer.encode(&question.text, false)?;
            let kept = ids.len().min(room / 2);
            behind = behind.max(kept);
            questions.push(match kept == ids.len() {
                true => question.text.clone(),
                false => text_of(tokenizer, &ids[ids.len() - kept..]),
            });
        }
        let ids = tokenizer.encode(&sample.context, false)?;
        if room < JOINTS {
            return Err(self.too_long(sample, frame.saturating_add(ids.len() + behind)));
        }
        let most = room - behind;
        if ids.len() <= most {
            return Ok(Texts {
                context: sample.context.clone(),
                questions,
                lost: 0,
            });
        }
        let head = room.div_ceil(2).min(most);
        let tail = &ids[ids.len() - (most - head)..];
        Ok(Texts {
            context: text_of(tokenizer, &ids[..head]) + &text_of(tokenizer, tail),
            questions,
            lost: ids.len() - most,
        })
    }
}

/// A question behind `said` messages of a conversation; the first has the text before it.
fn asked_in(texts: &Texts, said: usize, text: &str) -> Message {
    user(match said {
        0 => [texts.context.as_str(), text].concat(),
        _ => text.trim_start().to_owned(),
    })
}

/// A question, as a conversation has it.
fn user(content: String) -> Message {
    let role = Role::User;
    Message { role, content }
}

/// The text of tokens; a character that was cut is left out.
fn text_of(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|&id| tokenizer.token_bytes(id))
        .collect();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_matches(char::REPLACEMENT_CHARACTER).to_owned()
}
