//! Attention over the ragged cache.

use super::loader::Loader;
use super::run::Run;
use crate::cache::LayerState;
use crate::model::{
    backend::{Backend, HeadNorms},
    error::Result,
    shape::{AttentionShape, Span, Values},
};

/// The weights of a layer's attention; norms that its family does without are `None`.
pub struct Attention<B: Backend> {
    /// As it looks at what it sees; its own KV heads are in `own`.
    pub shape: AttentionShape,
    own: AttentionShape,
    /// q, k and v stacked; where it is gated, each head's gate behind its q.
    qkv: B::Linear,
    norms: Option<Norms<B>>,
    epsilon: f32,
    /// A score per query head that takes its part of the softmax and has no value.
    pub sinks: Option<B::Vector>,
    pub out: B::Linear,
}

/// Of each head's queries, keys and values.
struct Norms<B: Backend> {
    q: B::Vector,
    k: Option<B::Vector>,
    v: Option<B::Vector>,
}

impl<B: Backend> Attention<B> {
    pub(super) fn load(from: &Loader<B>, shape: AttentionShape) -> Result<Self> {
        let (names, hidden) = (&from.d.family.names, from.d.hidden);
        let (q, kv) = shape.widths();
        let queries = if shape.gated { 2 * q } else { q };
        let fused = "attn_qkv";
        let qkv = match from.has(&format!("{fused}.weight")) {
            true => from.linear(&[(fused, queries + 2 * kv)], hidden)?,
            false if shape.kv_heads == 0 => from.linear(&[(names.q, queries)], hidden)?,
            false => {
                let v = match shape.values {
                    Values::NormedKeys => names.k,
                    Values::Plain | Values::Normed => names.v,
                };
                from.linear(&[(names.q, queries), (names.k, kv), (v, kv)], hidden)?
            }
        };
        // Of each head, or of all together.
        let norm = |part: &str, width: usize| {
            let part = format!("{part}.weight");
            let info = from.file.tensor_info(&from.name(&part))?;
            let whole = info.shape.elem_count() == width;
            from.vector(&part, if whole { width } else { shape.head_dim })
        };
        let norm_of_values = match shape.values {
            Values::Plain => None,
            Values::Normed | Values::NormedKeys => Some(from.b.vector(vec![1.0; shape.head_dim])?),
        };
        let sinks = "attn_sinks.weight";
        Ok(Attention {
            shape: from.d.seen(&shape),
            own: shape,
            qkv,
            norms: match names.qk_norms {
                Some((of_q, of_k)) => Some(Norms {
                    q: norm(of_q, q)?,
                    k: (kv > 0).then(|| norm(of_k, kv)).transpose()?,
                    v: norm_of_values,
                }),
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
        run: Run<'_, B>,
    ) -> Result<Option<B::Rows>> {
        let Run {
            place,
            wanted,
            one_by_one,
            source,
        } = run;
        let shape = &self.own;
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
        let norms = self.norms.as_ref().map(|norms| HeadNorms {
            q: &norms.q,
            k: norms.k.as_ref(),
            v: norms.v.as_ref(),
            epsilon: self.epsilon,
        });
        let q = b.append(shape, norms, state, qkv, place)?;
        if wanted == 0 {
            return Ok(None);
        }
        let q = b.last(q, wanted)?;
        let (layer, behind) = source.unwrap_or((&state.layer, 0));
        let span = Span {
            behind,
            ..self.span()
        };
        let a = match one_by_one {
            true => {
                b.attend_one_by_one(&self.shape, layer, q, wanted, span, self.sinks.as_ref())?
            }
            false => b.attend(&self.shape, layer, &q, span, self.sinks.as_ref())?,
        };
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
