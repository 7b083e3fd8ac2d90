//! What a block's queries, keys and values go through before they are kept and compared.

use candle_core::Tensor;

use super::{Portable, angles::Angles};
use crate::device::ops;
use crate::model::{
    backend::{HeadNorms, Place},
    error::Result,
    shape::{AttentionShape, RopePairing},
};

impl Portable {
    /// Queries of `[rows, q | k | v]` scaled, and keys and values, where there are KV heads, side by
    /// side; turned where they should be and in the cache's type.
    pub(super) fn turned(
        &self,
        a: &AttentionShape,
        norms: Option<HeadNorms<'_, Tensor>>,
        qkv: &Tensor,
        place: &Place<'_, Angles>,
    ) -> Result<(Tensor, Option<Tensor>)> {
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
            return Ok((q, Some(both).filter(|_| kv_width > 0)));
        }
        let heads = a.heads + a.kv_heads;
        let part = |start, heads: usize, weight: Option<&Tensor>, epsilon| -> Result<Tensor> {
            let x = ops::contiguous(&qkv.narrow(1, start, heads * a.head_dim)?)?;
            let x = match weight {
                Some(weight) => {
                    // Of each head, or of all together.
                    let of = weight.elem_count();
                    let x = x.reshape((rows, heads * a.head_dim / of, of))?;
                    ops::rms_norm(&x, weight, epsilon)?
                }
                None => x,
            };
            Ok(x.reshape((rows, heads, a.head_dim))?)
        };
        let (qk, of_values, epsilon) = match norms {
            Some(HeadNorms { q, k, v, epsilon }) => {
                let queries = part(0, a.heads, Some(q), epsilon)?;
                let qk = match a.kv_heads {
                    0 => queries,
                    kv_heads => ops::cat(&[queries, part(q_width, kv_heads, k, epsilon)?], 1)?,
                };
                (qk, v, epsilon)
            }
            None => (part(0, heads, None, 0.0)?, None, 0.0),
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
        let q = ops::cast(&q, self.cache)?;
        if kv_width == 0 {
            return Ok((q, None));
        }
        let v = match of_values {
            None => qkv.narrow(1, q_width + kv_width, kv_width)?,
            normed => {
                let v = part(q_width + kv_width, a.kv_heads, normed, epsilon)?;
                v.reshape((rows, kv_width))?
            }
        };
        let both = ops::cat(&[qk.narrow(1, q_width, kv_width)?, v], 1)?;
        Ok((q, Some(ops::cast(&both, self.cache)?)))
    }
}
