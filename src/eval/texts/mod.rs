//! Texts of one's own, cut into passages: the beginning of each is read, and how it goes on under every
//! policy is held against how it really goes on.

mod attention;
mod follow;
#[cfg(test)]
mod tests;

pub use follow::Follower;

use super::error::EvalError;
use crate::model::tokenizer::Tokenizer;
use crate::random::Random;

/// Characters of a text's name.
const NAME: usize = 100;

/// Passages of each text and length, unless it is said.
const PASSAGES: usize = 10;

/// Texts as token ids.
pub struct Texts {
    /// Each with its name.
    texts: Vec<(String, Vec<u32>)>,
    /// What a prompt begins with.
    bos: Option<u32>,
}

/// How passages are cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Tokens of a passage, what follows included.
    pub lengths: Vec<usize>,
    /// Passages of each text and length.
    pub limit: Option<usize>,
    pub seed: u64,
}

/// A passage without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    pub id: String,
    pub dataset: String,
    pub length: usize,
    text: usize,
    /// Its place among the text's passages of this length.
    index: usize,
}

impl Texts {
    /// Named texts.
    ///
    /// # Errors
    /// Two of one name, and what the tokenizer says.
    pub fn new(named: &[(String, String)], tokenizer: &Tokenizer) -> Result<Texts, EvalError> {
        let mut texts: Vec<(String, Vec<u32>)> = Vec::with_capacity(named.len());
        for (name, text) in named {
            let name: String = name.chars().take(NAME).collect();
            if texts.iter().any(|(known, _)| *known == name) {
                return Err(EvalError::SameName { name });
            }
            texts.push((name, tokenizer.encode(text, false)?));
        }
        Ok(Texts {
            texts,
            bos: tokenizer.bos().filter(|_| tokenizer.add_bos()),
        })
    }

    /// The passages: one behind the other, and of each text and length `limit` of them, drawn by the seed.
    ///
    /// # Errors
    /// A text that is shorter than all lengths.
    pub fn passages(&self, cut: &Cut) -> Result<Vec<Passage>, EvalError> {
        let mut all = Vec::new();
        for (text, (name, tokens)) in self.texts.iter().enumerate() {
            let before = all.len();
            for &length in &cut.lengths {
                let there = tokens.len() / self.own(length).max(1);
                let limit = cut.limit.unwrap_or(PASSAGES).min(there);
                let mut random = Random::of(cut.seed, &["text", name, &length.to_string()]);
                let drawn = random.sample(there, limit).into_iter();
                all.extend(drawn.map(|index| Passage {
                    id: format!("text/{name}-{length}/{index}"),
                    dataset: format!("{name}-{length}"),
                    length,
                    text,
                    index,
                }));
            }
            if all.len() == before {
                return Err(EvalError::ShortText {
                    name: name.clone(),
                    tokens: tokens.len(),
                });
            }
        }
        Ok(all)
    }

    /// A passage's tokens, as a prompt begins.
    pub fn tokens(&self, passage: &Passage) -> Vec<u32> {
        let own = self.own(passage.length);
        let tokens = self.texts.get(passage.text).map(|(_, tokens)| &tokens[..]);
        let part = tokens.and_then(|all| all.get(passage.index * own..(passage.index + 1) * own));
        self.bos
            .into_iter()
            .chain(part.unwrap_or_default().iter().copied())
            .collect()
    }

    /// Tokens of a passage that are the text's.
    fn own(&self, length: usize) -> usize {
        length - usize::from(self.bos.is_some()).min(length)
    }
}
