//! How tokens are drawn, and who said so: the user's word goes over the model file's, and that over
//! ours.

use candle_core::quantized::gguf_file::Value;
use serde::{Deserialize, Serialize};

use crate::model::gguf::GgufFile;
use crate::model::thinking::{Effort, Enable, Thinking};

/// How the next token is drawn; `temperature` 0 is greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    pub temperature: f64,
    pub top_p: f64,
    /// 0 = off.
    pub top_k: usize,
    /// Tokens less likely than this share of the likeliest are dropped; 0 = off.
    pub min_p: f64,
    /// 1 = off.
    pub repeat_penalty: f32,
    /// Tokens back that the repeat penalty looks.
    pub repeat_last_n: usize,
    pub seed: u64,
    /// Most tokens of one answer.
    pub max_tokens: usize,
    /// Tokens after which a thought is ended; 0 = never.
    pub think_tokens: usize,
    /// What the model is told about thinking.
    pub thinking: Thinking,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.2,
            top_p: 0.9,
            top_k: 40,
            min_p: 0.0,
            repeat_penalty: 1.1,
            repeat_last_n: 64,
            seed: 1,
            max_tokens: 1024,
            think_tokens: 4096,
            thinking: Thinking::default(),
        }
    }
}

impl Sampling {
    /// Tokens after which a thought is ended: a quarter of the longest answer is left for what is said.
    pub fn most_thoughts(&self) -> Option<usize> {
        let most = self.max_tokens - self.max_tokens / 4;
        (self.think_tokens > 0).then(|| self.think_tokens.min(most).max(1))
    }
}

/// What one source says of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PartialSampling {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<usize>,
    pub min_p: Option<f64>,
    pub repeat_penalty: Option<f32>,
    pub repeat_last_n: Option<usize>,
    pub seed: Option<u64>,
    pub max_tokens: Option<usize>,
    pub think_tokens: Option<usize>,
    pub enable_thinking: Option<Enable>,
    pub reasoning_effort: Option<Effort>,
}

impl PartialSampling {
    /// Lays `other` over this.
    pub fn lay(&mut self, other: PartialSampling) {
        fn put<T>(slot: &mut Option<T>, said: Option<T>) {
            if said.is_some() {
                *slot = said;
            }
        }
        put(&mut self.temperature, other.temperature);
        put(&mut self.top_p, other.top_p);
        put(&mut self.top_k, other.top_k);
        put(&mut self.min_p, other.min_p);
        put(&mut self.repeat_penalty, other.repeat_penalty);
        put(&mut self.repeat_last_n, other.repeat_last_n);
        put(&mut self.seed, other.seed);
        put(&mut self.max_tokens, other.max_tokens);
        put(&mut self.think_tokens, other.think_tokens);
        put(&mut self.enable_thinking, other.enable_thinking);
        put(&mut self.reasoning_effort, other.reasoning_effort);
    }

    /// Over our defaults.
    pub fn in_force(&self) -> Sampling {
        let ours = Sampling::default();
        Sampling {
            temperature: self.temperature.unwrap_or(ours.temperature),
            top_p: self.top_p.unwrap_or(ours.top_p),
            top_k: self.top_k.unwrap_or(ours.top_k),
            min_p: self.min_p.unwrap_or(ours.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(ours.repeat_penalty),
            repeat_last_n: self.repeat_last_n.unwrap_or(ours.repeat_last_n),
            seed: self.seed.unwrap_or(ours.seed),
            max_tokens: self.max_tokens.unwrap_or(ours.max_tokens),
            think_tokens: self.think_tokens.unwrap_or(ours.think_tokens),
            thinking: Thinking {
                enable: self.enable_thinking.unwrap_or_default(),
                effort: self.reasoning_effort.unwrap_or_default(),
            },
        }
    }

    /// Over what a model's file says, and that over our defaults.
    pub fn over(&self, file: &PartialSampling) -> Sampling {
        let mut both = file.clone();
        both.lay(self.clone());
        both.in_force()
    }
}

/// Who said what of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub yours: PartialSampling,
    pub file: PartialSampling,
}

impl Said {
    pub fn in_force(&self) -> Sampling {
        self.yours.over(&self.file)
    }
}

/// Everything is said.
impl From<Sampling> for PartialSampling {
    fn from(s: Sampling) -> Self {
        PartialSampling {
            temperature: Some(s.temperature),
            top_p: Some(s.top_p),
            top_k: Some(s.top_k),
            min_p: Some(s.min_p),
            repeat_penalty: Some(s.repeat_penalty),
            repeat_last_n: Some(s.repeat_last_n),
            seed: Some(s.seed),
            max_tokens: Some(s.max_tokens),
            think_tokens: Some(s.think_tokens),
            enable_thinking: Some(s.thinking.enable),
            reasoning_effort: Some(s.thinking.effort),
        }
    }
}

/// Longest answer of a model that thinks, where nobody says otherwise: thoughts are long.
const THINKING: usize = 5120;

/// What a model's makers say in its file (`general.sampling.*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSampling {
    pub said: PartialSampling,
    /// What makes no sense and is passed over, to be shown once.
    pub notices: Vec<String>,
}

impl FileSampling {
    /// Of a model whose template knows of thoughts.
    pub fn thinking(mut self) -> FileSampling {
        self.said.max_tokens.get_or_insert(THINKING);
        self
    }

    pub fn from_gguf(file: &GgufFile) -> FileSampling {
        let mut found = FileSampling::default();
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let positive = |x: f64| x > 0.0 && share(x);
        let mut take = |key: &str, sound: &dyn Fn(f64) -> bool| {
            let value = file.value(&format!("general.sampling.{key}"))?;
            let number = number(value).filter(|x| sound(*x));
            if number.is_none() {
                found.notices.push(format!(
                    "the model file's sampling says {key} {}, which makes no sense; it is passed over",
                    shown(value)
                ));
            }
            number
        };
        let whole = |x: f64| x.fract() == 0.0 && (-1.0..=f64::from(i32::MAX)).contains(&x);
        let said = PartialSampling {
            temperature: take("temp", &|x| (0.0..=100.0).contains(&x)),
            top_p: take("top_p", &positive),
            // Less than one is off.
            top_k: take("top_k", &whole).map(|x| x.max(0.0) as usize),
            min_p: take("min_p", &share),
            repeat_penalty: take("penalty_repeat", &|x| x > 0.0 && x <= 10.0).map(|x| x as f32),
            // -1 is all.
            repeat_last_n: take("penalty_last_n", &whole).map(|x| match x < 0.0 {
                true => usize::MAX,
                false => x as usize,
            }),
            ..PartialSampling::default()
        };
        found.said = said;
        found
    }
}

/// A file's number; as text it reads as 0.7 does where the file has 0.7 as f32.
fn number(value: &Value) -> Option<f64> {
    shown(value).parse().ok()
}

fn shown(value: &Value) -> String {
    match value {
        Value::U8(n) => n.to_string(),
        Value::I8(n) => n.to_string(),
        Value::U16(n) => n.to_string(),
        Value::I16(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::I32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::I64(n) => n.to_string(),
        Value::F32(x) => x.to_string(),
        Value::F64(x) => x.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(says: &[(&str, Value)]) -> FileSampling {
        let keys: Vec<String> = says
            .iter()
            .map(|(key, _)| format!("general.sampling.{key}"))
            .collect();
        let metadata: Vec<(&str, &Value)> = keys
            .iter()
            .zip(says)
            .map(|(key, (_, value))| (key.as_str(), value))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sampling.gguf");
        let mut out = std::fs::File::create(&path).unwrap();
        candle_core::quantized::gguf_file::write(&mut out, &metadata, &[]).unwrap();
        FileSampling::from_gguf(&GgufFile::open(&path).unwrap())
    }

    #[test]
    fn the_users_word_goes_over_the_files_and_that_over_ours() {
        let file = file(&[
            ("temp", Value::F32(0.7)),
            ("top_k", Value::I32(20)),
            ("penalty_last_n", Value::I32(-1)),
        ]);
        assert!(file.notices.is_empty(), "{:?}", file.notices);
        let yours = PartialSampling {
            top_k: Some(5),
            enable_thinking: Some(Enable::Off),
            ..PartialSampling::default()
        };
        let all = yours.over(&file.said);
        assert_eq!((all.temperature, all.top_k, all.top_p), (0.7, 5, 0.9));
        assert_eq!(all.repeat_last_n, usize::MAX);
        assert_eq!(all.thinking.enable, Enable::Off);
        let ours = PartialSampling::default().over(&PartialSampling::default());
        assert_eq!(ours, Sampling::default());
    }

    #[test]
    fn what_makes_no_sense_is_passed_over_and_said() {
        let file = file(&[
            ("temp", Value::F32(f32::NAN)),
            ("top_p", Value::F32(-1.0)),
            ("min_p", Value::F32(1e30)),
            ("top_k", Value::I32(-7)),
            ("penalty_repeat", Value::F32(0.0)),
            ("penalty_last_n", Value::String("all".into())),
        ]);
        assert_eq!(file.said, PartialSampling::default());
        assert_eq!(file.notices.len(), 6, "{:?}", file.notices);
        assert!(file.notices[0].contains("says temp NaN, which makes no sense"));
        assert!(file.notices[5].contains("penalty_last_n a text"));
    }
}
