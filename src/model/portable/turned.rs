//! What a block's queries, keys and values go through before they are kept and compared.

use candle_core::Tensor;

use super::{Portable, angles::Angles};
use crate::device::ops;
use crate::model::{
    backend::{Place, QkNorms},
    error::Result,
    shape::{AttentionShape, RopePairing},
};

impl Portable {
    /// Queries of `[rows, q | k | v]` scaled, and keys and values side by side, turned where they
    /// should be and in the cache's type.
    pub(super) fn turned(
        &self,
        a: &AttentionShape,
        norms: Option<QkNorms<'_, Tensor>>,
        qkv: &Tensor,
        place: &Place<'_, Angles>,
    ) -> Result<(Tensor, Tensor)> {
        let rows = place.rows;
        let (q_width, kv_width) = a.widths();
        let interleaved = |pairing| pairing == RopePairing::Interleaved;
        if let (None, Some(angles), Some(rotary)) = (&norms, place.angles, &a.rotary)
            && a.temperature.is_none()
            && let Some((cos, sin)) = angles.whole_row(a)?
        {
            let x = qkv.reshape((a.heads + 2 * a.kv_heads, 1, 1, a.head_dim))?;
            let x = ops::rope(&x, &cos, &sin, interleaved(rotary.pairing))?;
            let x = ops::cast(&x.reshape((1, q_width + 2 * kv_width))?, self.cache)?;
            let (q, both) = (
                x.narrow(1, 0, q_width)?,
                x.narrow(1, q_width, 2 * kv_width)?,
            );
            return Ok((q, both));
        }
        let heads = a.heads + a.kv_heads;
        let qk = match norms {
            Some(norms) => {
                let normed = |start, heads: usize, weight: &Tensor| -> Result<Tensor> {
                    let x = qkv.narrow(1, start, heads * a.head_dim)?;
                    // Of each head, or of all together.
                    let of = weight.elem_count();
                    let x = ops::contiguous(&x)?.reshape((rows, heads * a.head_dim / of, of))?;
                    let x = ops::rms_norm(&x, weight, norms.epsilon)?;
                    Ok(x.reshape((rows, heads, a.head_dim))?)
                };
                let q = normed(0, a.heads, norms.q)?;
                ops::cat(&[q, normed(q_width, a.kv_heads, norms.k)?], 1)?
            }
            None => ops::contiguous(&qkv.narrow(1, 0, q_width + kv_width)?)?,
        };
        let qk = match (place.angles, &a.rotary) {
            (Some(angles), Some(rotary)) => {
                let (cos, sin) = angles.all(place.offset, rows)?;
                let x = qk.reshape((rows, heads, 1, a.head_dim))?;
                let part = ops::contiguous(&x.narrow(3, 0, rotary.dim)?)?;
                let part = ops::rope(&part, &cos, &sin, interleaved(rotary.pairing))?;
                match a.head_dim - rotary.dim {
                    0 => part,
                    rest => ops::cat(&[part, x.narrow(3, rotary.dim, rest)?], 3)?,
                }
            }
            _ => qk,
        };
        let qk = qk.reshape((rows, q_width + kv_width))?;
        let q = ops::affine(&qk.narrow(1, 0, q_width)?, f64::from(a.scale), 0.0)?;
        let q = match a.temperature {
            Some(temperature) => {
                let by: Vec<f32> = (0..rows).map(|r| temperature.at(place.start + r)).collect();
                let by = ops::cast(&ops::upload(&by, (rows, 1), &self.device)?, q.dtype())?;
                q.broadcast_mul(&by)?
            }
            None => q,
        };
        let v = qkv.narrow(1, q_width + kv_width, kv_width)?;
        let both = ops::cat(&[qk.narrow(1, q_width, kv_width)?, v], 1)?;
        Ok((ops::cast(&q, self.cache)?, ops::cast(&both, self.cache)?))
    }
}
