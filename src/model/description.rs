//! What a GGUF file says of its network: one description for every supported architecture.

use crate::cache::PAGE;

use super::{
    error::{ModelError, Result},
    family::{self, Family},
    gguf::GgufFile,
    keys::Keys,
    shape::{
        AttentionShape, ConvolutionShape, LayerShape, Mixer, RopePairing, Rotary, Scales, Sections,
        Values, Yarn,
    },
};

/// What a cache takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheBytes {
    /// Of one more token, in the layers that grow.
    pub token: usize,
    /// The most of sliding windows and states, whatever the length of the text: no policy takes from them.
    pub fixed: usize,
    /// Layers that grow.
    pub growing: usize,
}

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
    pub scales: Scales,
    /// Width of what each layer is told of each token beside the stream; 0 = nothing.
    pub per_layer: usize,
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
        let keys = Keys::new(file, &architecture);
        // Those that only draft are not run.
        let drafting = keys.optional("nextn_predict_layers")?.unwrap_or(0);
        let layers = keys.size("block_count")?.saturating_sub(drafting);
        // Before so many shapes are made.
        within("layers", layers, 1024)?;
        let all_heads = match keys.each("attention.head_count", layers)? {
            Some(heads) => heads,
            None => vec![keys.size("attention.head_count")?; layers],
        };
        let heads = all_heads.iter().copied().max().unwrap_or(0);
        let hidden = keys.size("embedding_length")?;
        let head_dim = match keys.positive("attention.key_length")? {
            Some(dim) => dim,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        if keys.positive("attention.value_length")?.unwrap_or(head_dim) != head_dim {
            return wrong("its values are not as long as its keys".into());
        }
        let embedding = file.tensor_info("token_embd.weight")?;
        let kv_heads = keys.each("attention.head_count_kv", layers)?;
        let kv_heads = kv_heads.unwrap_or_else(|| all_heads.clone());
        let feed_forward = keys.each("feed_forward_length", layers)?;
        let feed_forward = feed_forward.unwrap_or_else(|| vec![0; layers]);
        let rotary = rotary(&keys, family.pairing, head_dim)?;
        let layer = |((heads, kv_heads), feed_forward): ((usize, usize), usize)| LayerShape {
            mixer: Mixer::Attention(AttentionShape {
                heads,
                kv_heads,
                head_dim,
                rotary: Some(rotary),
                window: None,
                scale: 1.0 / (head_dim as f32).sqrt(),
                soft_cap: None,
                temperature: None,
                gated: false,
                values: Values::Plain,
                source: None,
            }),
            feed_forward,
            experts: None,
        };
        let each = all_heads.into_iter().zip(kv_heads).zip(feed_forward);
        let mut layers: Vec<_> = each.map(layer).collect();
        let mut scales = Scales::default();
        (family.specify)(&keys, &mut layers, &mut scales)?;
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
            layers,
            hidden,
            vocabulary: embedding.shape.dims().first().copied().unwrap_or(0),
            context: keys.size("context_length")?,
            rms_epsilon: file.f32(&format!("{architecture}.attention.layer_norm_rms_epsilon"))?,
            scales,
            per_layer: keys
                .optional("embedding_length_per_layer_input")?
                .unwrap_or(0),
            tied: !file.has_tensor("output.weight"),
            family,
        };
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<()> {
        within("hidden size", self.hidden, 1 << 17)?;
        for layer in &self.layers {
            if layer.experts.is_none_or(|e| e.beside) {
                within("feed-forward size", layer.feed_forward, 1 << 20)?;
            }
            if let Some(e) = layer.experts {
                within("experts", e.count, 1024)?;
                within("experts in use", e.used, e.count)?;
                within("feed-forward size", e.feed_forward, 1 << 20)?;
                within("feed-forward size", e.shared.unwrap_or(1), 1 << 20)?;
                positive(&[e.scale])?;
            }
            match &layer.mixer {
                Mixer::Attention(a) => check_attention(&self.seen(a))?,
                Mixer::Convolution(c) => check_convolution(c)?,
                Mixer::Delta(d) => {
                    within("value heads", d.value_heads, 1024)?;
                    within("key heads", d.key_heads, d.value_heads)?;
                    within("state size", d.head_dim, 1024)?;
                    if !d.value_heads.is_multiple_of(d.key_heads) {
                        let (values, keys) = (d.value_heads, d.key_heads);
                        return wrong(format!(
                            "{values} value heads do not share {keys} key heads"
                        ));
                    }
                    check_convolution(&d.convolution())?;
                }
            }
        }
        if self.attention().is_none() {
            return wrong("none of its layers attends".into());
        }
        within("vocabulary", self.vocabulary, 1 << 24)?;
        within("width per layer", self.per_layer.max(1), 1 << 16)?;
        within("context length", self.context, 1 << 26)?;
        let scales = [
            self.scales.embedding,
            self.scales.residual,
            self.scales.logits,
        ];
        positive(&scales)?;
        positive(&[self.rms_epsilon, self.scales.logit_cap.unwrap_or(1.0)])
    }

    /// How a layer looks at the keys and values that it sees, its own or another layer's.
    pub fn seen(&self, own: &AttentionShape) -> AttentionShape {
        let source = own.source.and_then(|source| self.layers.get(source));
        AttentionShape {
            kv_heads: source.map_or(own.kv_heads, LayerShape::kv_heads),
            ..*own
        }
    }

    pub fn architecture(&self) -> &'static str {
        self.family.architecture
    }

    /// Of the first layer that attends.
    fn attention(&self) -> Option<&AttentionShape> {
        self.layers.iter().find_map(LayerShape::attention)
    }

    /// Query heads of the first layer that attends.
    pub fn heads(&self) -> usize {
        self.attention().map_or(0, |a| a.heads)
    }

    /// KV heads of the first layer that attends.
    pub fn kv_heads(&self) -> usize {
        self.attention().map_or(0, |a| a.kv_heads)
    }

    /// Dimensions of a head of the first layer that attends.
    pub fn head_dim(&self) -> usize {
        self.attention().map_or(0, |a| a.head_dim)
    }

    /// Bytes of the states of the layers that have one.
    pub fn state_bytes(&self) -> usize {
        self.layers.iter().map(LayerShape::state_bytes).sum()
    }

    /// KV heads of all layers that grow with the text.
    pub fn all_kv_heads(&self) -> usize {
        let growing = self.layers.iter().filter(|l| l.grows());
        growing.map(LayerShape::kv_heads).sum()
    }

    /// Bytes that one more token takes in a cache which evicts nothing, in the layers that grow,
    /// for elements of `element` bytes.
    pub fn token_bytes(&self, element: usize) -> usize {
        self.cache_bytes(element).token
    }

    /// What a cache takes, for elements of `element` bytes.
    pub fn cache_bytes(&self, element: usize) -> CacheBytes {
        let mut bytes = CacheBytes::default();
        for layer in &self.layers {
            bytes.fixed += layer.state_bytes();
            let Some(attention) = layer.attention() else {
                continue;
            };
            let entries = attention.kv_heads * attention.entry_bytes(element);
            if layer.grows() {
                bytes.token += entries;
                bytes.growing += 1;
            } else if let Some(window) = layer.window() {
                bytes.fixed += entries * (window.min(self.context) + PAGE);
            }
        }
        bytes
    }

    /// Multiply–accumulates of one token in the largest layer's matrices.
    pub fn layer_macs(&self) -> usize {
        let macs = self.layers.iter().map(|layer| self.macs_of(layer));
        macs.max().unwrap_or(1)
    }

    fn macs_of(&self, layer: &LayerShape) -> usize {
        layer.mixer_macs(self.hidden) + 3 * self.hidden * layer.mlp_width()
    }

    /// Multiply–accumulates of reading `tokens`: all layers' matrices, and attention to all tokens before,
    /// or those in the window.
    pub fn reading_macs(&self, tokens: usize) -> f64 {
        let of = |layer: &LayerShape| {
            let attended = layer.attention().map_or(0.0, |a| {
                let window = a.window.unwrap_or(tokens).min(tokens) as f64;
                // The first tokens see fewer.
                let seen = tokens as f64 * window - window * window / 2.0;
                2.0 * (a.heads * a.head_dim) as f64 * seen
            });
            (tokens * self.macs_of(layer)) as f64 + attended
        };
        self.layers.iter().map(of).sum()
    }
}

fn check_attention(a: &AttentionShape) -> Result<()> {
    within("heads", a.heads, 1024)?;
    within("KV heads", a.kv_heads, 1024)?;
    within("head dimension", a.head_dim, 1024)?;
    if !a.heads.is_multiple_of(a.kv_heads) {
        let (heads, kv_heads) = (a.heads, a.kv_heads);
        return wrong(format!("{heads} heads do not share {kv_heads} KV heads"));
    }
    positive(&[a.scale, a.soft_cap.unwrap_or(1.0)])?;
    within("attention window", a.window.unwrap_or(1), 1 << 26)?;
    if let Some(temperature) = a.temperature {
        positive(&[temperature.scale])?;
        within("length of a temperature", temperature.every, 1 << 30)?;
    }
    let Some(rotary) = a.rotary else {
        return Ok(());
    };
    if rotary.dim == 0 || !rotary.dim.is_multiple_of(2) || rotary.dim > a.head_dim {
        let (some, all) = (rotary.dim, a.head_dim);
        return wrong(format!("RoPE turns {some} of {all} dimensions"));
    }
    positive(&[rotary.base, rotary.scale, rotary.magnitude])?;
    if let Some(yarn) = rotary.yarn {
        positive(&[yarn.fast, yarn.slow])?;
        within("trained context", yarn.context, 1 << 26)?;
    }
    Ok(())
}

fn check_convolution(c: &ConvolutionShape) -> Result<()> {
    within("channels", c.channels, 1 << 17)?;
    match c.taps < 2 {
        true => wrong(format!("its convolution sees {} tokens", c.taps)),
        false => within("tokens of its convolution", c.taps, 64),
    }
}

/// How positions are told, but for what a family says.
fn rotary(keys: &Keys, pairing: RopePairing, head_dim: usize) -> Result<Rotary> {
    let factor = match keys.factor("rope.scaling.factor")? {
        Some(factor) => Some(factor),
        // As older files call it.
        None => keys.factor("rope.scale_linear")?,
    };
    let (mut scale, mut yarn) = (factor.unwrap_or(1.0), None);
    let mut magnitude = keys.factor("rope.scaling.attn_factor")?.unwrap_or(1.0);
    match keys.text("rope.scaling.type")?.unwrap_or("linear") {
        "none" => scale = 1.0,
        "linear" | "longrope" | "su" => {}
        "yarn" => {
            let context = keys.positive("rope.scaling.original_context_length")?;
            let told = |key, usual| -> Result<f32> { Ok(keys.factor(key)?.unwrap_or(usual)) };
            let share = keys.float("rope.scaling.yarn_ext_factor")?;
            yarn = Some(Yarn {
                context: context.map_or_else(|| keys.size("context_length"), Ok)?,
                fast: told("rope.scaling.yarn_beta_fast", 32.0)?,
                slow: told("rope.scaling.yarn_beta_slow", 1.0)?,
                share: share.filter(|x| *x >= 0.0).map_or(1.0, |x| x.min(1.0)),
            });
            let grown = |by: f32| {
                if scale <= 1.0 {
                    1.0
                } else {
                    0.1 * by * scale.ln() + 1.0
                }
            };
            let all = keys.factor("rope.scaling.yarn_log_multiplier")?;
            magnitude *= grown(1.0) / all.map_or(1.0, grown);
        }
        other => {
            return wrong(format!(
                "it needs RoPE scaling '{}', which is not supported",
                other.escape_debug()
            ));
        }
    }
    Ok(Rotary {
        dim: keys.positive("rope.dimension_count")?.unwrap_or(head_dim),
        base: keys.float("rope.freq_base")?.unwrap_or(10_000.0),
        scale,
        pairing,
        yarn,
        factors: Some("rope_freqs.weight"),
        magnitude,
        sections: Sections::None,
    })
}

fn wrong<T>(what: String) -> Result<T> {
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
