//! What a GGUF file says of its network: one description for every supported architecture.

use super::{
    error::{ModelError, Result},
    gguf::GgufFile,
};

/// Which dimensions of a head RoPE turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `(0, 1), (2, 3), …`: llama files, whose q/k rows are permuted for it.
    Interleaved,
    /// `(0, d/2), (1, d/2 + 1), …`: qwen2 files.
    Halves,
}

/// A decoder-only transformer with RMS norms, RoPE, grouped queries and a gated MLP.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub name: String,
    pub architecture: String,
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub feed_forward: usize,
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    pub rms_epsilon: f32,
    pub rope_base: f32,
    /// Positions are divided by this (linear RoPE scaling).
    pub rope_scale: f32,
    pub rope_pairing: RopePairing,
    /// The output head is the embedding matrix.
    pub tied: bool,
}

impl Description {
    /// Reads and checks the metadata.
    ///
    /// # Errors
    /// An unsupported architecture, missing keys, or numbers that cannot be a network.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let architecture = file.architecture()?.to_owned();
        let rope_pairing = match architecture.as_str() {
            "llama" => RopePairing::Interleaved,
            "qwen2" => RopePairing::Halves,
            _ => {
                return Err(ModelError::Architecture(
                    architecture.escape_debug().to_string(),
                ));
            }
        };
        let key = |name: &str| format!("{architecture}.{name}");
        let size = |name: &str| -> Result<usize> { Ok(file.u32(&key(name))? as usize) };
        let optional = |name: &str| -> Result<Option<usize>> {
            Ok(file.get_u32(&key(name))?.map(|x| x as usize))
        };
        let heads = size("attention.head_count")?;
        let hidden = size("embedding_length")?;
        let head_dim = match optional("attention.key_length")? {
            Some(dim) => dim,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        let embedding = file.tensor_info("token_embd.weight")?;
        let scaled = file.get_str(&key("rope.scaling.type"))?.unwrap_or("none");
        let rope_scale = match scaled {
            "none" => 1.0,
            "linear" => file.get_f32(&key("rope.scaling.factor"))?.unwrap_or(1.0),
            other => {
                return Err(ModelError::Description(format!(
                    "it needs RoPE scaling '{}', which is not supported",
                    other.escape_debug()
                )));
            }
        };
        let description = Description {
            name: match file.get_str("general.name")? {
                Some(name) if !name.trim().is_empty() => name.trim().to_owned(),
                _ => file
                    .path()
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            },
            layers: size("block_count")?,
            hidden,
            heads,
            kv_heads: optional("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            feed_forward: size("feed_forward_length")?,
            vocabulary: embedding.shape.dims().first().copied().unwrap_or(0),
            context: size("context_length")?,
            rms_epsilon: file.f32(&key("attention.layer_norm_rms_epsilon"))?,
            rope_base: file.get_f32(&key("rope.freq_base"))?.unwrap_or(10_000.0),
            rope_scale,
            rope_pairing,
            tied: !file.has_tensor("output.weight"),
            architecture: architecture.clone(),
        };
        description.check(optional("rope.dimension_count")?)?;
        Ok(description)
    }

    fn check(&self, rope_dim: Option<usize>) -> Result<()> {
        let wrong = |what: String| Err(ModelError::Description(what));
        let counts = [
            ("layers", self.layers, 1024),
            ("hidden size", self.hidden, 1 << 17),
            ("heads", self.heads, 1024),
            ("KV heads", self.kv_heads, 1024),
            ("head dimension", self.head_dim, 1024),
            ("feed-forward size", self.feed_forward, 1 << 20),
            ("vocabulary", self.vocabulary, 1 << 24),
            ("context length", self.context, 1 << 26),
        ];
        for (name, value, most) in counts {
            if value == 0 || value > most {
                return wrong(format!("its {name} is {value}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return wrong(format!(
                "{} heads do not share {} KV heads",
                self.heads, self.kv_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) || rope_dim.is_some_and(|d| d != self.head_dim) {
            return wrong(format!(
                "RoPE turns {} of {} dimensions",
                rope_dim.unwrap_or(self.head_dim),
                self.head_dim
            ));
        }
        let numbers = [self.rms_epsilon, self.rope_base, self.rope_scale];
        if !numbers.iter().all(|x| x.is_finite() && *x > 0.0) {
            return wrong("an epsilon, RoPE base or scale is not a positive number".into());
        }
        Ok(())
    }

    /// Query heads per KV head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Attention's `1/√d`.
    pub fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    /// Bytes of one cache entry (a key and a value of one head) for elements of `element` bytes.
    pub fn entry_bytes(&self, element: usize) -> usize {
        2 * self.head_dim * element
    }

    /// KV heads of all layers.
    pub fn all_kv_heads(&self) -> usize {
        self.layers * self.kv_heads
    }

    /// Multiply–accumulates of one token in one layer's matrices.
    pub fn layer_macs(&self) -> usize {
        let qkv = (self.heads + 2 * self.kv_heads) * self.head_dim;
        self.hidden * (qkv + self.heads * self.head_dim + 3 * self.feed_forward)
    }
}
