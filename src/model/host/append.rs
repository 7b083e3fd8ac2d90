//! From the rows `[q | k | v]` of a layer to its entries.

use super::rows::Rows;
use crate::cache::{HostLayer, KvElement, LayerState};
use crate::model::backend::{HeadNorms, Place};
use crate::model::kernels::{ops, pool::Pool};
use crate::model::rope::Angles;
use crate::model::shape::{AttentionShape, RopePairing};

/// [`Backend::append`](crate::model::backend::Backend::append).
pub fn append<T: KvElement>(
    pool: &Pool,
    a: &AttentionShape,
    norms: Option<HeadNorms<'_, Vec<f32>>>,
    state: &mut LayerState<HostLayer<T>>,
    qkv: &Rows,
    place: &Place<'_, Angles>,
) -> Rows {
    let dim = a.head_dim;
    let (q_width, kv_width) = a.widths();
    let part = |from: usize, len: usize| {
        let mut part = Vec::with_capacity(place.rows * len);
        for row in qkv.data.chunks_exact(q_width + 2 * kv_width) {
            part.extend_from_slice(&row[from..from + len]);
        }
        part
    };
    let mut q = part(0, q_width);
    let mut k = part(q_width, kv_width);
    let mut v = part(q_width + kv_width, kv_width);
    if let Some(norms) = norms {
        let parts = [
            (&mut q, Some(norms.q)),
            (&mut k, norms.k),
            (&mut v, norms.v),
        ];
        for (x, weight) in parts {
            let Some(weight) = weight else { continue };
            let mut normed = vec![0.0; x.len()];
            ops::rms_norm(pool, x, weight, norms.epsilon, &mut normed);
            *x = normed;
        }
    }
    if let (Some(angles), Some(rotary)) = (place.angles, &a.rotary) {
        let (cos, sin) = angles.rows(place.offset, place.rows);
        let pairing = match rotary.pairing {
            RopePairing::Interleaved => ops::Pairing::Interleaved,
            RopePairing::Halves => ops::Pairing::Halves,
        };
        let angles = ops::Turn {
            cos,
            sin,
            dim: rotary.dim,
            pairing,
        };
        ops::rope(pool, &mut q, a.heads, dim, angles);
        if a.kv_heads > 0 {
            ops::rope(pool, &mut k, a.kv_heads, dim, angles);
        }
    }
    if let Some(temperature) = a.temperature {
        for (r, row) in q.chunks_exact_mut(q_width).enumerate() {
            let by = temperature.at(place.start + r);
            row.iter_mut().for_each(|x| *x *= by);
        }
    }
    for (h, head) in state.layer.heads.iter_mut().enumerate() {
        for r in 0..place.rows {
            let at = r * kv_width + h * dim..r * kv_width + (h + 1) * dim;
            head.append((place.start + r) as u32, &k[at.clone()], &v[at]);
        }
    }
    let wanted = state.window.wants(place.rows);
    for row in q.chunks_exact(q_width).skip(place.rows - wanted) {
        state.window.push(row.to_vec());
    }
    Rows {
        data: q,
        rows: place.rows,
        precision: qkv.precision,
    }
}
