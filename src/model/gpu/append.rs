//! What queries, keys and values go through before they are kept and compared: one launch.

use std::sync::Arc;

use super::attention;
use super::parts::{Angles, Vector};
use super::rows::Rows;
use crate::cache::LayerState;
use crate::cache::paged::{PagedLayer, RingRow};
use crate::gpu::driver::{Kernel, Variant};
use crate::gpu::{Gpu, Grid, args};
use crate::model::backend::{HeadNorms, Place};
use crate::model::error::Result;
use crate::model::shape::{AttentionShape, RopePairing};

pub fn append(
    gpu: &Arc<Gpu>,
    a: &AttentionShape,
    norms: Option<HeadNorms<'_, Vector>>,
    state: &mut LayerState<PagedLayer>,
    qkv: &Rows,
    place: &Place<'_, Angles>,
) -> Result<Rows> {
    let out = Rows::new(gpu, place.rows, a.heads * a.head_dim)?;
    let layer = state.layer.extend(place.start, place.rows)?;
    let wanted = state.window.wants(place.rows);
    let ring = attention::ring(gpu, &state.window, wanted, out.width)?;
    let from = place.rows - wanted;
    let rotary = a.rotary.filter(|_| place.angles.is_some());
    let norm = |v: Option<&Vector>| v.map_or(0, |v| v.buffer.at());
    let whole = |v: Option<&Vector>| u32::from(v.is_some_and(|v| v.len != a.head_dim));
    let (q, k, v) = match &norms {
        Some(norms) => (Some(norms.q), norms.k, norms.v),
        None => (None, None, None),
    };
    let first_row = ring.as_ref().map_or(0, |ring| ring.row);
    let arguments = args::Append {
        layer,
        qkv: qkv.at()?,
        q: out.at()?,
        ring: ring.as_ref().map_or(0, |ring| ring.ring.at(0)),
        frequencies: place
            .angles
            .filter(|_| rotary.is_some())
            .map_or(0, |angles| angles.frequencies.at()),
        q_norm: norm(q),
        k_norm: norm(k),
        v_norm: norm(v),
        ring_from: from as u32,
        ring_to: ((place.start + from) as u32).wrapping_sub(first_row as u32),
        heads: a.heads as u32,
        dim: a.head_dim as u32,
        rows: place.rows as u32,
        turned: rotary.map_or(0, |rotary| rotary.dim) as u32,
        interleaved: rotary.map_or(0, |r| u32::from(r.pairing == RopePairing::Interleaved)),
        whole: whole(q) | whole(k) << 1,
        epsilon: norms.as_ref().map_or(0.0, |norms| norms.epsilon),
        magnitude: place.angles.map_or(1.0, |angles| angles.magnitude),
        scale: a.scale,
        growth: a.temperature.map_or(0.0, |t| t.scale),
        every: a.temperature.map_or(0, |t| t.every.max(1)) as u32,
        pad: 0,
    };
    let heads = (a.heads + 2 * a.kv_heads) as u32;
    let threads = a.head_dim.next_multiple_of(32).min(128) as u32;
    let grid = Grid::of([place.rows as u32, heads, 1], threads);
    let variant = Variant::Of(state.layer.element());
    gpu.launch(Kernel::Append, variant, grid, &arguments)?;
    if let Some(places) = ring {
        for row in places.row..places.row + wanted {
            let ring = places.ring.clone();
            state.window.push(RingRow { ring, row });
        }
    }
    Ok(out)
}
