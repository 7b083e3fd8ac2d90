//! How long values are behind the output projection, by a kernel.

use super::weight::Linear;
use crate::model::kernels::{lengths::Projection, pool::Pool};
use crate::model::shape::AttentionShape;
use crate::policy::Observed;

/// [`Backend::project`](crate::model::backend::Backend::project): with the weights as products take them, in
/// f32, of one layer at a time. As many multiplications as the projection itself takes for the entries.
pub fn project(pool: &Pool, a: &AttentionShape, out: &Linear, heads: &mut [Observed]) {
    let (inputs, _) = a.widths();
    let outputs = 0..out.weight.outputs() as u32;
    let mut weights = out.weight.rows(&outputs.collect::<Vec<_>>());
    for (row, scale) in weights.chunks_exact_mut(inputs.max(1)).zip(&out.scales) {
        row.iter_mut().for_each(|weight| *weight *= scale);
    }
    let share = 1.0 / a.group() as f32;
    for (h, head) in heads.iter_mut().enumerate() {
        head.projected = vec![0.0; head.len()];
        for query_head in h * a.group()..(h + 1) * a.group() {
            let columns = query_head * a.head_dim..(query_head + 1) * a.head_dim;
            let rows = weights.chunks_exact(inputs.max(1));
            let of_head = rows.map(|row| &row[columns.clone()]);
            let lengths = Projection::new(a.head_dim, of_head).lengths(pool, &head.values);
            for (sum, length) in head.projected.iter_mut().zip(lengths) {
                *sum += share * length;
            }
        }
    }
}
