//! Where the tensors of a model lie.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use candle_core::Shape;

use super::error::{GgufError, Result, damaged};
use super::header::{Described, MAX_TENSORS};
use super::part::Part;
use super::{split, types::TensorType};

/// A tensor that lies inside its file.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    pub dtype: TensorType,
    /// Row-major, `[rows, cols]`.
    pub shape: Shape,
    /// In which part, and where in its file.
    pub(super) part: usize,
    pub(super) bytes: Range<usize>,
}

/// All tensors of the parts, each inside its file and beside the others.
pub(super) fn of_parts(parts: &mut [Part]) -> Result<HashMap<String, TensorInfo>> {
    let count = parts.len();
    let mut all = HashMap::new();
    for (index, part) in parts.iter_mut().enumerate() {
        let described = part.take_tensors();
        let placed = place(part, index, described).map_err(|error| match count {
            1 => error,
            _ => error.in_file(&part.path),
        })?;
        for (name, info) in placed {
            let shown = name.escape_debug().to_string();
            let Entry::Vacant(place) = all.entry(name) else {
                let what = format!(
                    "the tensor {shown} is in another part too; it is of another model: download \
                     this part again"
                );
                return split::wrong(&part.path, what);
            };
            place.insert(info);
        }
    }
    let (found, first) = (all.len() as u64, &parts[0]);
    if found > MAX_TENSORS {
        return split::wrong(&first.path, format!("its parts declare {found} tensors"));
    }
    match first.said().tensors.filter(|_| count > 1) {
        Some(expected) if expected != found => split::wrong(
            &first.path,
            format!(
                "the model has {expected} tensors, and there are {found} in its {count} parts; \
                 download all parts again"
            ),
        ),
        _ => Ok(all),
    }
}

/// Where the bytes of a part's tensors lie, in the order in which they lie there.
fn place(part: &Part, index: usize, tensors: Vec<Described>) -> Result<Vec<(String, TensorInfo)>> {
    let mut placed = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let bytes = range(part, &tensor)?;
        if !tensor.offset.is_multiple_of(part.alignment()) {
            let (name, alignment) = (tensor.name.escape_debug(), part.alignment());
            return damaged(format!(
                "the tensor {name} is not aligned to {alignment} bytes"
            ));
        }
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: Shape::from(tensor.dims),
            part: index,
            bytes,
        };
        placed.push((tensor.name, info));
    }
    placed.sort_by(|(a, x), (b, y)| (x.bytes.start, a).cmp(&(y.bytes.start, b)));
    for pair in placed.windows(2) {
        let [(before, first), (name, second)] = pair else {
            continue;
        };
        if second.bytes.start < first.bytes.end {
            return damaged(format!(
                "the tensors {} and {} overlap",
                before.escape_debug(),
                name.escape_debug()
            ));
        }
    }
    Ok(placed)
}

/// Where a tensor's bytes lie in its file, inside its bounds.
fn range(part: &Part, tensor: &Described) -> Result<Range<usize>> {
    let name = tensor.name.escape_debug();
    let Some(bytes) = byte_size(&tensor.dims, tensor.dtype) else {
        return damaged(format!(
            "the tensor {name} has impossible dimensions {:?} for {}",
            tensor.dims, tensor.dtype
        ));
    };
    let start = part.data().saturating_add(tensor.offset);
    let end = start.saturating_add(bytes);
    let len = part.bytes().len() as u64;
    if end > len {
        return Err(GgufError::Truncated {
            what: format!("tensor {name}"),
            start,
            end,
            len,
        });
    }
    Ok(start as usize..end as usize)
}

/// Bytes that a tensor takes; `None` when its rows do not hold whole blocks or it overflows.
fn byte_size(dims: &[usize], dtype: TensorType) -> Option<u64> {
    let row = dims.last().copied().unwrap_or(1);
    if dims.contains(&0) || !row.is_multiple_of(dtype.block_size()) {
        return None;
    }
    let elements = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    let bytes = dtype.bytes(elements)?;
    // Slices and offsets are signed inside.
    (bytes <= isize::MAX as usize && elements <= isize::MAX as usize).then_some(bytes as u64)
}
