//! What a GGUF file says of its network: one description for every supported architecture.

use super::{
    error::{ModelError, Result},
    family::{self, Family},
    gguf::GgufFile,
    shape::{AttentionShape, LayerShape, Mixer, Rotary},
};

/// A decoder-only transformer with RMS norms, RoPE, grouped queries and a gated MLP.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub name: String,
    /// Where it is from, for messages.
    pub file: String,
    pub family: &'static Family,
    pub layers: Vec<LayerShape>,
    pub hidden: usize,
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    pub rms_epsilon: f32,
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
        let family = family::of(&architecture)
            .ok_or_else(|| ModelError::Architecture(architecture.escape_debug().to_string()))?;
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
        let scale = match scaled {
            "none" => 1.0,
            "linear" => file.get_f32(&key("rope.scaling.factor"))?.unwrap_or(1.0),
            other => {
                return Err(ModelError::Description(format!(
                    "it needs RoPE scaling '{}', which is not supported",
                    other.escape_debug()
                )));
            }
        };
        let rotary = Rotary {
            dim: optional("rope.dimension_count")?.unwrap_or(head_dim),
            base: file.get_f32(&key("rope.freq_base"))?.unwrap_or(10_000.0),
            scale,
            pairing: family.pairing,
        };
        let attention = AttentionShape {
            heads,
            kv_heads: optional("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            rotary: Some(rotary),
            window: None,
            scale: 1.0 / (head_dim as f32).sqrt(),
            soft_cap: None,
        };
        let layer = LayerShape {
            mixer: Mixer::Attention(attention),
            feed_forward: size("feed_forward_length")?,
            experts: None,
        };
        let layers = size("block_count")?;
        // Before so many shapes are made.
        within("layers", layers, 1024)?;
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
            file: file.path().display().to_string().escape_debug().to_string(),
            layers: vec![layer; layers],
            hidden,
            vocabulary: embedding.shape.dims().first().copied().unwrap_or(0),
            context: size("context_length")?,
            rms_epsilon: file.f32(&key("attention.layer_norm_rms_epsilon"))?,
            tied: !file.has_tensor("output.weight"),
            family,
        };
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<()> {
        within("hidden size", self.hidden, 1 << 17)?;
        for layer in &self.layers {
            let a = layer.attention();
            within("heads", a.heads, 1024)?;
            within("KV heads", a.kv_heads, 1024)?;
            within("head dimension", a.head_dim, 1024)?;
            match layer.experts {
                None => within("feed-forward size", layer.feed_forward, 1 << 20)?,
                Some(e) => {
                    within("experts", e.count, 1024)?;
                    within("experts in use", e.used, e.count)?;
                    within("feed-forward size", e.feed_forward, 1 << 20)?;
                    within("feed-forward size", e.shared.unwrap_or(1), 1 << 20)?;
                    positive(&[e.scale])?;
                }
            }
            if !a.heads.is_multiple_of(a.kv_heads) {
                let (heads, kv_heads) = (a.heads, a.kv_heads);
                return wrong(format!("{heads} heads do not share {kv_heads} KV heads"));
            }
            let Some(rotary) = a.rotary else { continue };
            if rotary.dim == 0 || !rotary.dim.is_multiple_of(2) || rotary.dim > a.head_dim {
                let (some, all) = (rotary.dim, a.head_dim);
                return wrong(format!("RoPE turns {some} of {all} dimensions"));
            }
            positive(&[rotary.base, rotary.scale])?;
        }
        within("vocabulary", self.vocabulary, 1 << 24)?;
        within("context length", self.context, 1 << 26)?;
        positive(&[self.rms_epsilon])
    }

    pub fn architecture(&self) -> &'static str {
        self.family.architecture
    }

    /// Query heads of the first layer.
    pub fn heads(&self) -> usize {
        self.layers[0].attention().heads
    }

    /// KV heads of the first layer.
    pub fn kv_heads(&self) -> usize {
        self.layers[0].attention().kv_heads
    }

    /// Dimensions of a head of the first layer.
    pub fn head_dim(&self) -> usize {
        self.layers[0].attention().head_dim
    }

    /// KV heads of all layers that grow with the text.
    pub fn all_kv_heads(&self) -> usize {
        let growing = self.layers.iter().filter(|l| l.grows());
        growing.map(|l| l.attention().kv_heads).sum()
    }

    /// Bytes that one more token takes in a cache which evicts nothing, in the layers that grow,
    /// for elements of `element` bytes.
    pub fn token_bytes(&self, element: usize) -> usize {
        let growing = self.layers.iter().filter(|l| l.grows());
        let bytes = |a: &AttentionShape| a.kv_heads * a.entry_bytes(element);
        growing.map(|l| bytes(l.attention())).sum()
    }

    /// Bytes of keys and values of `position` tokens where a policy evicts nothing.
    pub fn full_bytes(&self, position: usize, element: usize) -> usize {
        let bytes = |layer: &LayerShape| {
            let a = layer.attention();
            position * a.kv_heads * a.entry_bytes(element)
        };
        self.layers.iter().map(bytes).sum()
    }

    /// Multiply–accumulates of one token in the largest layer's matrices.
    pub fn layer_macs(&self) -> usize {
        let macs = |layer: &LayerShape| {
            let (q, kv) = layer.attention().widths();
            self.hidden * (2 * q + 2 * kv + 3 * layer.mlp_width())
        };
        self.layers.iter().map(macs).max().unwrap_or(1)
    }
}

fn wrong(what: String) -> Result<()> {
    Err(ModelError::Description(what))
}

fn within(name: &str, value: usize, most: usize) -> Result<()> {
    match value == 0 || value > most {
        true => wrong(format!("its {name} is {value}")),
        false => Ok(()),
    }
}

fn positive(numbers: &[f32]) -> Result<()> {
    match numbers.iter().all(|x| x.is_finite() && *x > 0.0) {
        true => Ok(()),
        false => wrong("an epsilon, RoPE base or scale is not a positive number".into()),
    }
}
