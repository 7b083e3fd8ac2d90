//! Attention over the ragged cache.

use super::loader::Loader;
use crate::cache::LayerState;
use crate::model::{
    backend::{Backend, Place, QkNorms},
    error::Result,
    shape::{AttentionShape, Span},
};

/// The weights of a layer's attention; norms that its family does without are `None`.
pub struct Attention<B: Backend> {
    pub shape: AttentionShape,
    /// q, k and v stacked; where it is gated, each head's gate behind its q.
    qkv: B::Linear,
    qk_norms: Option<(B::Vector, B::Vector)>,
    epsilon: f32,
    /// A score per query head that takes its part of the softmax and has no value.
    pub sinks: Option<B::Vector>,
    pub out: B::Linear,
}

impl<B: Backend> Attention<B> {
    pub(super) fn load(from: &Loader<B>, shape: AttentionShape) -> Result<Self> {
        let (names, hidden) = (&from.d.family.names, from.d.hidden);
        let (q, kv) = shape.widths();
        let queries = if shape.gated { 2 * q } else { q };
        let fused = "attn_qkv";
        let qkv = match from.has(&format!("{fused}.weight")) {
            true => from.linear(&[(fused, queries + 2 * kv)], hidden)?,
            false => from.linear(&[(names.q, queries), (names.k, kv), (names.v, kv)], hidden)?,
        };
        // Of each head, or of all together.
        let norm = |part: &str, width: usize| {
            let part = format!("{part}.weight");
            let info = from.file.tensor_info(&from.name(&part))?;
            let whole = info.shape.elem_count() == width;
            from.vector(&part, if whole { width } else { shape.head_dim })
        };
        let sinks = "attn_sinks.weight";
        Ok(Attention {
            shape,
            qkv,
            qk_norms: match names.qk_norms {
                Some((of_q, of_k)) => Some((norm(of_q, q)?, norm(of_k, kv)?)),
                None => None,
            },
            epsilon: from.d.rms_epsilon,
            sinks: match from.has(sinks) {
                true => Some(from.vector(sinks, shape.heads)?),
                false => None,
            },
            out: from.linear(&[(names.attention_out, hidden)], q)?,
        })
    }

    pub(super) fn forward(
        &self,
        b: &B,
        x: &B::Rows,
        state: &mut LayerState<B::Layer>,
        place: Place<B::Angles>,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let shape = &self.shape;
        let mut qkv = b.linear(&self.qkv, x)?;
        let mut gate = None;
        if shape.gated {
            let ((q, kv), dim) = (shape.widths(), shape.head_dim);
            let width = 2 * q + 2 * kv;
            let both = b.columns(&qkv, width, 0, 2 * q)?;
            let queries = b.columns(&both, 2 * dim, 0, dim)?;
            gate = Some(b.columns(&both, 2 * dim, dim, dim)?);
            qkv = b.beside(&queries, &b.columns(&qkv, width, 2 * q, 2 * kv)?)?;
        }
        let norms = self.qk_norms.as_ref().map(|(q, k)| QkNorms {
            q,
            k,
            epsilon: self.epsilon,
        });
        let q = b.append(shape, norms, state, qkv, place)?;
        if wanted == 0 {
            return Ok(None);
        }
        let q = b.last(q, wanted)?;
        let a = b.attend(shape, &state.layer, &q, self.span(), self.sinks.as_ref())?;
        let a = match gate {
            Some(gate) => b.opened(a, &b.last(gate, wanted)?)?,
            None => a,
        };
        Ok(Some(b.linear(&self.out, &a)?))
    }

    /// What the newest rows see.
    pub fn span(&self) -> Span {
        Span {
            behind: 0,
            window: self.shape.window,
        }
    }
}
