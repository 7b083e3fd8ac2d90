//! Text → token ids → bytes, from the vocabulary in the GGUF itself; ids equal llama.cpp's.

mod bpe;
mod bytes;
mod class;
mod error;
mod kind;
mod memo;
mod special;
mod split;
mod spm;
#[cfg(test)]
mod tests;

pub use error::TokenizerError;

use super::gguf::GgufFile;
use kind::Kind;
use special::Special;

enum Encoder {
    Bpe(Box<bpe::ByteLevelBpe>),
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
    tokens: Vec<String>,
    kinds: Vec<Kind>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    ends: Vec<u32>,
    /// Most bytes of a text that one token stands for.
    longest: usize,
}

/// Parts of a text from which its tokens are guessed.
const SAMPLES: usize = 16;
const SAMPLE: usize = 4 << 10;

/// Tokens that end an answer where they are control tokens, whatever else the file names.
const ENDS: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<|eot|>",
    "<EOT>",
    "</s>",
    "<｜end▁of▁sentence｜>",
];

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
        for (token, kind) in tokens.iter().zip(&mut kinds) {
            // As llama.cpp does: some files forget to mark the tokens that end an answer.
            if ENDS[..9].contains(token) && *kind != Kind::Control {
                *kind = Kind::Control;
            }
        }
        let pre = file.get_str("tokenizer.ggml.pre")?.unwrap_or("default");
        let encoder = match kind {
            "gpt2" => {
                let merges = file.strs("tokenizer.ggml.merges")?;
                Encoder::Bpe(Box::new(bpe::ByteLevelBpe::new(&tokens, &merges, pre)?))
            }
            "llama" => Encoder::Spm(Box::new(spm::SentencePiece::from_gguf(
                file, &tokens, &kinds,
            )?)),
            kind => {
                return Err(TokenizerError::Kind {
                    kind: kind.to_owned(),
                });
            }
        };
        let id = |key: &str| -> Result<Option<u32>, TokenizerError> {
            let id = file.get_u32(key)?;
            Ok(id.filter(|id| (*id as usize) < tokens.len()))
        };
        let bos = id("tokenizer.ggml.bos_token_id")?;
        let eos = id("tokenizer.ggml.eos_token_id")?;
        let eot = id("tokenizer.ggml.eot_token_id")?;
        let eom = id("tokenizer.ggml.eom_token_id")?;
        let named = tokens
            .iter()
            .zip(&kinds)
            .zip(0..)
            .filter_map(|((token, kind), id)| {
                (*kind == Kind::Control && ENDS.contains(token)).then_some(id)
            });
        let mut ends: Vec<u32> = [eos, eot, eom].into_iter().flatten().chain(named).collect();
        ends.sort_unstable();
        ends.dedup();
        let usual = kind == "llama" || matches!(pre, "llama3" | "llama-v3" | "llama-bpe");
        let add_bos = file
            .get_bool("tokenizer.ggml.add_bos_token")?
            .unwrap_or(usual);
        let longest = tokens.iter().map(|token| token.len()).max().unwrap_or(1);
        Ok(Tokenizer {
            longest: longest.max(1),
            encoder,
            special: Special::new(&tokens, &kinds)?,
            tokens: tokens.into_iter().map(str::to_owned).collect(),
            kinds,
            bos,
            eos,
            add_bos: add_bos && bos.is_some(),
            ends,
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
        self.encode_from(false, &[Segment { text, special }])
    }

    fn encode_from(&self, start: bool, parts: &[Segment<'_>]) -> Result<Vec<u32>, TokenizerError> {
        let mut out = Vec::new();
        let mut run = std::borrow::Cow::Borrowed("");
        let mut start = start;
        for part in parts {
            let mut from = 0;
            for (range, id) in self.special.find(part.text, part.special) {
                run += &part.text[from..range.start];
                self.encode_run(&run, start, &mut out)?;
                run = "".into();
                start = true;
                out.push(id);
                from = range.end;
            }
            run += &part.text[from..];
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
            (Kind::Control | Kind::UserDefined | Kind::Unknown, _) => token.as_bytes().to_vec(),
            (Kind::Byte, _) => spm::byte_token(token).map_or_else(Vec::new, |b| vec![b]),
            (_, Encoder::Bpe(_)) => bytes::decode(token),
            (_, Encoder::Spm(_)) => token.replace(spm::SPACE, " ").into_bytes(),
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
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// Control tokens and others recognised in text, as written.
    pub(super) fn control_tokens(&self) -> impl Iterator<Item = &str> {
        let control = |(token, kind): (&'_ String, &Kind)| {
            matches!(kind, Kind::Control | Kind::Unknown) && !token.is_empty()
        };
        let all = self.tokens.iter().zip(&self.kinds);
        all.filter(move |pair| control(*pair))
            .map(|(token, _)| token.as_str())
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
