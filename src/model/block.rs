//! One block of the transformer: a mixer, then an MLP, each added to the stream.

use super::{
    backend::Backend,
    description::Description,
    error::Result,
    gguf::GgufFile,
    mixer::{Attention, Mix, Run},
    mlp::{Gated, Mlp},
    per_layer::PerLayer,
    weights::{self, Scaled},
};
use crate::cache::LayerState;

/// The weights of a block; norms that its family does without are `None`.
pub struct Block<B: Backend> {
    mixer_norm: Option<B::Vector>,
    mixer: Mix<B>,
    mixer_out_norm: Option<B::Vector>,
    mlp_norm: Option<B::Vector>,
    mlp: Mlp<B>,
    mlp_out_norm: Option<B::Vector>,
    per_layer: Option<PerLayer<B>>,
    /// What the stream is multiplied by at the end.
    out_scale: f32,
}

impl<B: Backend> Block<B> {
    pub fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Self> {
        let names = &d.family.names;
        let shape = d.layers[layer];
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let vector = |part: &str| b.load_vector(file, &name(part), d.hidden);
        let norm = |part: Option<&str>| part.map(vector).transpose();
        let linear = |parts: &[(&str, usize)], inputs: usize, scaled: Scaled| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(p, n)| (format!("blk.{layer}.{p}"), *n))
                .collect();
            b.load_linear(file, &parts, inputs, scaled)
        };
        let ff = shape.feed_forward;
        let gate_up = || match names.gate {
            Some(gate) => linear(&[(gate, ff), (names.up, ff)], d.hidden, names.mlp_scaled),
            None => linear(&[(names.up, 2 * ff)], d.hidden, names.mlp_scaled),
        };
        let dense = || -> Result<_> {
            Ok(Gated {
                gate_up: gate_up()?,
                down: linear(&[(names.down, d.hidden)], ff, names.mlp_scaled)?,
                gate: d.family.gate,
            })
        };
        Ok(Block {
            mixer_norm: norm(names.attention_norm)?,
            mixer: Mix::load(b, d, file, layer)?,
            mixer_out_norm: norm(names.attention_out_norm)?,
            mlp_norm: norm(names.mlp_norm)?,
            mlp: match &shape.experts {
                Some(e) if e.beside => {
                    let sizes = (d.hidden, d.rms_epsilon);
                    Mlp::beside(b, file, &format!("blk.{layer}"), e, dense()?, sizes)?
                }
                Some(e) => Mlp::experts(b, file, &format!("blk.{layer}"), e, d.hidden)?,
                None => Mlp::Dense(dense()?),
            },
            mlp_out_norm: norm(names.mlp_out_norm)?,
            per_layer: PerLayer::load(b, d, file, layer)?,
            out_scale: match name("layer_output_scale") {
                scale if file.has_tensor(&scale) => weights::vector(file, &scale, 1)?[0],
                _ => 1.0,
            },
        })
    }

    /// `None` where it has a state in place of entries.
    pub fn attention(&self) -> Option<&Attention<B>> {
        self.mixer.attention()
    }

    pub fn per_layer(&self) -> Option<&PerLayer<B>> {
        self.per_layer.as_ref()
    }

    /// Appends the rows `x` (`[rows, hidden]`) to the layer and returns the stream behind the block
    /// for those that are wanted; `told` is what the layer is told of each beside the stream.
    pub fn forward(
        &self,
        b: &B,
        d: &Description,
        x: B::Rows,
        state: &mut LayerState<B::Layer>,
        run: Run<'_, B>,
        told: Option<B::Rows>,
    ) -> Result<Option<B::Rows>> {
        let (epsilon, wanted) = (d.rms_epsilon, run.wanted);
        let normed = |y: B::Rows, norm: &Option<B::Vector>| match norm {
            Some(norm) => b.rms_norm(&y, norm, epsilon),
            None => Ok(y),
        };
        let residual = |y: B::Rows| match d.scales.residual {
            1.0 => Ok(y),
            scale => b.scale(y, scale),
        };

        let y = match &self.mixer_norm {
            Some(norm) => {
                let x = b.rms_norm(&x, norm, epsilon)?;
                self.mixer.forward(b, &x, state, run)?
            }
            None => self.mixer.forward(b, &x, state, run)?,
        };
        let Some(y) = y else {
            return Ok(None);
        };
        let y = normed(y, &self.mixer_out_norm)?;
        let x = b.add(b.last(x, wanted)?, residual(y)?)?;

        let h = match &self.mlp_norm {
            Some(norm) => self.mlp.forward(b, &x, &b.rms_norm(&x, norm, epsilon)?)?,
            None => self.mlp.forward(b, &x, &x)?,
        };
        let y = normed(h, &self.mlp_out_norm)?;
        let x = b.add(x, residual(y)?)?;
        let x = match (&self.per_layer, told) {
            (Some(per_layer), Some(told)) => per_layer.hear(b, d, x, b.last(told, wanted)?)?,
            _ => x,
        };
        match self.out_scale {
            1.0 => Ok(Some(x)),
            scale => Ok(Some(b.scale(x, scale)?)),
        }
    }
}
