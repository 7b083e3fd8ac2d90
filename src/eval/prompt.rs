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
    /// The context as it is asked about: over-long ones have lost their middle.
    pub context: String,
    /// Tokens that were lost.
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
    /// A question that alone is too long, and what the template or the tokenizer say.
    pub fn write(&self, sample: &Sample) -> Result<Prompt, EvalError> {
        let (context, lost) = self.shortened(sample)?;
        let mut questions = Vec::with_capacity(sample.questions.len());
        let mut shared = usize::MAX;
        for question in &sample.questions {
            let tokens = self.tokens(question, &context, &question.text, &question.lead)?;
            // Behind the context stands something else: what is the same up to there is the context's.
            let other = if question.text.starts_with('§') {
                "¶"
            } else {
                "§"
            };
            let probe = self.tokens(question, &context, other, "")?;
            let same = tokens.iter().zip(&probe).take_while(|(a, b)| a == b);
            // A prompt's last token is always read behind what was evicted.
            shared = shared.min(same.count()).min(tokens.len().saturating_sub(1));
            if tokens.len() + question.rule.max_tokens > self.most {
                return Err(self.too_long(sample, tokens.len()));
            }
            questions.push(tokens);
        }
        Ok(Prompt {
            shared,
            questions,
            context,
            lost,
        })
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

    /// A conversation up to where its answer begins.
    pub fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, EvalError> {
        let Model {
            template,
            tokenizer,
            ..
        } = self.model;
        Ok(template.encode_chat(tokenizer, messages, true)?)
    }

    /// The context, without its middle where a prompt would be too long. LongBench's rule: of a prompt
    /// that may have `most` tokens, the first half and the last half are kept.
    fn shortened(&self, sample: &Sample) -> Result<(String, usize), EvalError> {
        let tokenizer = &self.model.tokenizer;
        let mut around = 0;
        for question in &sample.questions {
            let frame = self.tokens(question, "", "", &question.lead)?.len();
            let behind = tokenizer.encode(&question.text, false)?.len();
            around = around.max(frame + behind + question.rule.max_tokens);
        }
        let ids = tokenizer.encode(&sample.context, false)?;
        // What meets at the cut and at the ends may take some tokens more than apart.
        const JOINTS: usize = 8;
        if ids.len() + around <= self.most {
            return Ok((sample.context.clone(), 0));
        }
        let room = self.most.saturating_sub(around + JOINTS);
        let behind =
            |question: &Question| tokenizer.encode(&question.text, false).map(|ids| ids.len());
        let lens = sample.questions.iter().map(behind);
        let behind = lens.collect::<Result<Vec<_>, _>>()?;
        let behind = behind.into_iter().max().unwrap_or(0);
        let head = (room + behind).div_ceil(2).min(room);
        if room == 0 {
            return Err(self.too_long(sample, ids.len() + around));
        }
        let text = |ids: &[u32]| text_of(tokenizer, ids);
        let kept = text(&ids[..head]) + &text(&ids[ids.len() - (room - head)..]);
        Ok((kept, ids.len() - room))
    }
}

/// A question, as a conversation has it.
pub fn user(content: String) -> Message {
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
