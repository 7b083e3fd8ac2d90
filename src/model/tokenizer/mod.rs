//! Text → token ids → bytes, from the vocabulary in the GGUF itself; ids equal llama.cpp's.

mod bpe;
mod bytes;
mod class;
mod error;
mod kind;
mod memo;
mod names;
mod roles;
mod special;
mod split;
mod spm;
#[cfg(test)]
mod tests;

pub use error::TokenizerError;

use super::gguf::GgufFile;
use kind::Kind;
use names::Names;
use special::Special;
use split::Split;
use std::ops::Range;

enum Encoder {
    Bpe(Box<bpe::Bpe>),
    Spm(Box<spm::SentencePiece>),
}

/// A segment of a text to encode: text in which control tokens are recognised (a template's own), or
/// text in which they are only characters (what a person wrote).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub text: &'a str,
    pub special: bool,
}

/// The vocabulary of a model.
pub struct Tokenizer {
    encoder: Encoder,
    special: Special,
    tokens: Names,
    kinds: Vec<Kind>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    ends: Vec<u32>,
    /// Tokens that swallow the white space behind them, ascending.
    strips: Vec<u32>,
    /// Most bytes of a text that one token stands for.
    longest: usize,
}

/// Parts of a text from which its tokens are guessed.
const SAMPLES: usize = 16;
const SAMPLE: usize = 4 << 10;

impl Tokenizer {
    /// # Errors
    /// A vocabulary that is missing, damaged or of a kind that is not supported.
    pub fn from_gguf(file: &GgufFile) -> Result<Tokenizer, TokenizerError> {
        let kind = file.str("tokenizer.ggml.model")?;
        let tokens = file.strs("tokenizer.ggml.tokens")?;
        if tokens.is_empty() {
            return Err(TokenizerError::Vocabulary {
                what: "it is empty",
            });
        }
        let mut kinds = vec![Kind::Normal; tokens.len()];
        if let Some(codes) = file.get_i64s("tokenizer.ggml.token_type")? {
            if codes.len() != tokens.len() {
                return Err(TokenizerError::Vocabulary {
                    what: "token types are missing",
                });
            }
            kinds = codes.into_iter().map(Kind::new).collect();
        }
        let mut ends = roles::assign(&tokens, &mut kinds);
        // Ollama's files call the bytes ordinary tokens.
        if kind == "gemma4" {
            for (token, kind) in tokens.iter().zip(&mut kinds) {
                if *kind == Kind::Normal && spm::byte_token(token).is_some() {
                    *kind = Kind::Byte;
                }
            }
        }
        // Gemma 4's kind names its split too.
        let pre = match kind {
            "gemma4" => kind,
            _ => file.get_str("tokenizer.ggml.pre")?.unwrap_or("default"),
        };
        let (encoder, usual) = match kind {
            "gpt2" | "gemma4" => {
                let split = Split::by_name(pre).ok_or_else(|| TokenizerError::Pre {
                    name: pre.to_owned(),
                })?;
                let merges = file.strs("tokenizer.ggml.merges")?;
                let bpe = bpe::Bpe::new(&tokens, &merges, split)?;
                (Encoder::Bpe(Box::new(bpe)), split.wants_bos())
            }
            "llama" => {
                let spm = spm::SentencePiece::from_gguf(file, &tokens)?;
                (Encoder::Spm(Box::new(spm)), true)
            }
            kind => {
                return Err(TokenizerError::Kind {
                    kind: kind.to_owned(),
                });
            }
        };
        let spm = matches!(encoder, Encoder::Spm(_));
        let id = |key: &str, usual: Option<u32>| -> Result<Option<u32>, TokenizerError> {
            let known = |id: &u32| (*id as usize) < tokens.len();
            let said = file.get_u32(&format!("tokenizer.ggml.{key}_token_id"))?;
            let usual = usual.filter(|_| spm);
            Ok(said.filter(known).or(usual.filter(known)))
        };
        let bos = id("bos", Some(1))?;
        let eos = id("eos", Some(2))?;
        ends.extend(
            [eos, id("eot", None)?, id("eom", None)?]
                .into_iter()
                .flatten(),
        );
        ends.sort_unstable();
        ends.dedup();
        // Gemma 4's files deny what the model needs.
        let add_bos = match file.get_bool("tokenizer.ggml.add_bos_token")? {
            Some(said) => said || pre == "gemma4",
            None => usual,
        };
        let name = file.get_str("general.name")?.unwrap_or_default();
        let strips = roles::strips(name, &tokens, &kinds);
        let longest = tokens.iter().map(|token| token.len()).max().unwrap_or(1);
        Ok(Tokenizer {
            longest: longest.max(1),
            encoder,
            special: Special::new(&tokens, &kinds)?,
            tokens: Names::new(&tokens),
            kinds,
            bos,
            eos,
            add_bos: add_bos && bos.is_some(),
            ends,
            strips,
        })
    }

    /// About how many tokens `text` takes, where that is more than `most` for sure; `None` where it
    /// may be fewer. Only parts of the text are looked at.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn more_than(&self, text: &str, most: usize) -> Result<Option<usize>, TokenizerError> {
        let least = text.len() / self.longest;
        if least <= most {
            return Ok(None);
        }
        let (mut bytes, mut tokens) = (0, 0);
        for i in 0..SAMPLES {
            let from = text.floor_char_boundary(text.len() / SAMPLES * i);
            let to = text.floor_char_boundary((from + SAMPLE).min(text.len()));
            bytes += to - from;
            tokens += self.encode(&text[from..to], false)?.len();
        }
        let about = tokens as f64 / bytes.max(1) as f64 * text.len() as f64;
        Ok(Some(least.max(about as usize)))
    }

    /// Token ids of `text`. With `special`, control tokens written in the text (`<|im_start|>`)
    /// are recognised; without, they are characters like any other. No BOS is added.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizerError> {
        self.encode_segments(&[Segment { text, special }])
    }

    /// Token ids of the parts' text as a whole: what lies between two control tokens is encoded
    /// in one run, even where it comes from several parts.
    pub fn encode_segments(&self, parts: &[Segment<'_>]) -> Result<Vec<u32>, TokenizerError> {
        self.encode_from(true, parts)
    }

    /// Token ids of text that goes on behind other tokens: no space is put before it. Control
    /// tokens written in it are characters.
    pub fn encode_on(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let special = false;
        self.encode_segments_on(&[Segment { text, special }])
    }

    /// The same of parts, in some of which control tokens are recognised.
    pub fn encode_segments_on(&self, parts: &[Segment<'_>]) -> Result<Vec<u32>, TokenizerError> {
        self.encode_from(false, parts)
    }

    fn encode_from(&self, start: bool, parts: &[Segment<'_>]) -> Result<Vec<u32>, TokenizerError> {
        let mut out = Vec::new();
        let mut run = std::borrow::Cow::Borrowed("");
        let (mut start, mut strip) = (start, false);
        for part in parts {
            let text = part.text;
            let past_space = |from: usize| {
                let spaces = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
                from + text.as_bytes()[from..]
                    .iter()
                    .take_while(|b| spaces(b))
                    .count()
            };
            let mut from = if strip { past_space(0) } else { 0 };
            for (range, id) in self.special.find(text, part.special) {
                if range.start > from {
                    run += &text[from..range.start];
                }
                self.encode_run(&run, start, &mut out)?;
                run = "".into();
                start = true;
                out.push(id);
                strip = self.strips.binary_search(&id).is_ok();
                from = if strip {
                    past_space(range.end)
                } else {
                    range.end
                };
            }
            strip &= from == text.len();
            run += &text[from..];
        }
        start &= !run.is_empty();
        self.encode_run(&run, start, &mut out)?;
        Ok(out)
    }

    fn encode_run(
        &self,
        text: &str,
        start: bool,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        match &self.encoder {
            _ if text.is_empty() => Ok(()),
            Encoder::Bpe(bpe) => bpe.encode(text, out),
            Encoder::Spm(spm) => {
                spm.encode(text, start, out);
                Ok(())
            }
        }
    }

    /// Bytes of text that were tokenised so far, and not found among what was before; 0 for
    /// vocabularies that remember nothing.
    pub fn tokenised(&self) -> u64 {
        match &self.encoder {
            Encoder::Bpe(bpe) => bpe.tokenised(),
            Encoder::Spm(_) => 0,
        }
    }

    /// The bytes that a token stands for; often not whole characters. Empty for ids outside the
    /// vocabulary.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        let Some(token) = self.tokens.get(id as usize) else {
            return Vec::new();
        };
        match (self.kind(id), &self.encoder) {
            (Kind::Control | Kind::Shown | Kind::UserDefined | Kind::Unknown, _) => {
                token.as_bytes().to_vec()
            }
            (Kind::Byte, _) => spm::byte_token(token).map_or_else(Vec::new, |b| vec![b]),
            (_, Encoder::Bpe(bpe)) if bpe.is_byte_level() => bytes::decode(token),
            _ => token.replace(spm::SPACE, " ").into_bytes(),
        }
    }

    fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Unused)
    }

    /// Whether a token steers the model and is no text (`<|im_end|>`).
    pub fn is_control(&self, id: u32) -> bool {
        matches!(self.kind(id), Kind::Control | Kind::Unknown | Kind::Unused)
    }

    /// The token of that very spelling in the vocabulary.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokens
            .iter()
            .position(|t| t == token)
            .map(|id| id as u32)
    }

    /// A token as the vocabulary writes it.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize)
    }

    /// Where control tokens and others recognised in text are written in `text`, and their ids: the
    /// longest at each place, from the left.
    pub(super) fn control_in<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
        self.special.written(text)
    }

    /// Whether the model wants [`Tokenizer::bos`] before every text.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// All tokens that end an answer, ascending.
    pub fn eos_ids(&self) -> &[u32] {
        &self.ends
    }

    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }
}
