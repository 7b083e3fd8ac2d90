//! How long values are behind the output projection, plainly: for backends without a kernel for it, and what
//! kernels are held against.

/// `‖W v‖₁` of each of `values`, `[entries, head_dim]`; `columns` are those of `W` that the head's values meet,
/// `head_dim` of them.
pub fn lengths(columns: &[Vec<f32>], values: &[f32]) -> Vec<f32> {
    let outputs = columns.first().map_or(0, Vec::len);
    let length = |value: &[f32]| {
        let mut output = vec![0.0f32; outputs];
        for (v, column) in value.iter().zip(columns) {
            let terms = output.iter_mut().zip(column);
            terms.for_each(|(output, weight)| *output += v * weight);
        }
        output.iter().map(|x| x.abs()).sum()
    };
    let values = values.chunks_exact(columns.len().max(1));
    values.map(length).collect()
}
