//! Ragged keys and values as candle tensors: the storage of the portable path, on any device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Result, Tensor};

use super::layer::in_order;
use super::{PAGE, Store};

/// One KV head: `len` rows of `keys` and `values`, each `[capacity, head_dim]`.
#[derive(Clone, Debug)]
struct TensorHead {
    positions: Vec<u32>,
    /// Rows of the buffers that any of those who share them has written.
    written: Arc<AtomicUsize>,
    keys: Tensor,
    values: Tensor,
}

/// The KV heads of one layer.
///
/// A clone shares the buffers, and whichever side appends first goes on in them; the other copies
/// its own rows out when it comes to append, for the place behind them is taken.
#[derive(Clone, Debug)]
pub struct TensorLayer {
    heads: Vec<TensorHead>,
    dtype: DType,
    device: Device,
    head_dim: usize,
}

impl TensorLayer {
    pub fn new(kv_heads: usize, head_dim: usize, dtype: DType, device: &Device) -> Result<Self> {
        let empty = || Tensor::zeros((PAGE, head_dim), dtype, device);
        let head = || -> Result<TensorHead> {
            Ok(TensorHead {
                positions: Vec::new(),
                written: Arc::default(),
                keys: empty()?,
                values: empty()?,
            })
        };
        Ok(TensorLayer {
            heads: (0..kv_heads).map(|_| head()).collect::<Result<_>>()?,
            dtype,
            device: device.clone(),
            head_dim,
        })
    }

    /// One KV head's keys (after RoPE) and values, each `[len, head_dim]`.
    pub fn head(&self, head: usize) -> Result<(Tensor, Tensor)> {
        let head = &self.heads[head];
        let len = head.positions.len();
        Ok((head.keys.narrow(0, 0, len)?, head.values.narrow(0, 0, len)?))
    }

    /// Appends to every head; `keys` and `values` are `[rows, kv_heads, head_dim]`.
    pub fn append(&mut self, positions: &[u32], keys: &Tensor, values: &Tensor) -> Result<()> {
        let rows = positions.len();
        for h in 0..self.heads.len() {
            let pick = |x: &Tensor| {
                x.narrow(1, h, 1)?
                    .squeeze(1)?
                    .to_dtype(self.dtype)?
                    .contiguous()
            };
            let (keys, values) = (pick(keys)?, pick(values)?);
            let head = &mut self.heads[h];
            let len = head.positions.len();
            let capacity = head.keys.dim(0)?;
            let full = len + rows > capacity;
            if full || !head.claims(len, rows) {
                // A quarter more each time: copies are rare, and little is allocated for nothing.
                let wanted = match full {
                    true => (len + rows).max(capacity + capacity / 4),
                    false => capacity,
                };
                let wanted = wanted.next_multiple_of(PAGE);
                head.keys = self::grown(&head.keys, len, wanted)?;
                head.values = self::grown(&head.values, len, wanted)?;
                head.written = Arc::new(AtomicUsize::new(len + rows));
            }
            head.keys.slice_set(&keys, 0, len)?;
            head.values.slice_set(&values, 0, len)?;
            head.positions.extend_from_slice(positions);
        }
        Ok(())
    }
}

impl TensorHead {
    /// Takes `rows` rows behind the first `len`; false where another has written there.
    fn claims(&self, len: usize, rows: usize) -> bool {
        let (ok, no) = (Ordering::AcqRel, Ordering::Acquire);
        let written = &self.written;
        written.compare_exchange(len, len + rows, ok, no).is_ok()
    }
}

impl Store for TensorLayer {
    /// `[1, heads, head_dim]`
    type Query = Tensor;

    fn lens(&self) -> Vec<usize> {
        self.heads.iter().map(|h| h.positions.len()).collect()
    }

    fn positions(&self, head: usize) -> &[u32] {
        &self.heads[head].positions
    }

    fn gather(&self, kept: &[Vec<u32>]) -> Result<Self> {
        let heads = self.heads.iter().zip(kept).map(|(head, kept)| {
            let index = Tensor::from_slice(kept, kept.len(), &self.device)?;
            let capacity = kept.len().max(1).next_multiple_of(PAGE);
            let pick = |x: &Tensor| grown(&x.index_select(&index, 0)?, kept.len(), capacity);
            Ok(TensorHead {
                positions: kept.iter().map(|&i| head.positions[i as usize]).collect(),
                written: Arc::new(AtomicUsize::new(kept.len())),
                keys: pick(&head.keys)?,
                values: pick(&head.values)?,
            })
        });
        Ok(TensorLayer {
            heads: heads.collect::<Result<_>>()?,
            ..self.clone()
        })
    }

    fn put_back(&self, other: &Self) -> Result<Self> {
        let heads = self.heads.iter().zip(&other.heads).map(|(a, b)| {
            let order = in_order(&a.positions, &b.positions);
            let (first, len) = (a.positions.len() as u32, order.len());
            let rows: Vec<u32> = order
                .iter()
                .map(|&(of_b, i)| if of_b { first + i } else { i })
                .collect();
            let index = Tensor::from_slice(&rows, len, &self.device)?;
            let capacity = len.max(1).next_multiple_of(PAGE);
            let join = |x: &Tensor, y: &Tensor| {
                let y = y.narrow(0, 0, b.positions.len())?;
                let both = Tensor::cat(&[x.narrow(0, 0, a.positions.len())?, y], 0)?;
                grown(&both.index_select(&index, 0)?, len, capacity)
            };
            let position = |&(of_b, i): &(bool, u32)| match of_b {
                true => b.positions[i as usize],
                false => a.positions[i as usize],
            };
            Ok(TensorHead {
                positions: order.iter().map(position).collect(),
                written: Arc::new(AtomicUsize::new(len)),
                keys: join(&a.keys, &b.keys)?,
                values: join(&a.values, &b.values)?,
            })
        });
        Ok(TensorLayer {
            heads: heads.collect::<Result<_>>()?,
            ..self.clone()
        })
    }

    fn take_back(&mut self, entries: usize) {
        for head in &mut self.heads {
            let kept = head.positions.len().saturating_sub(entries);
            head.positions.truncate(kept);
            // Where nobody else holds them, the rows can be written again.
            if let Some(written) = Arc::get_mut(&mut head.written) {
                *written.get_mut() = kept;
            }
        }
    }

    fn used_bytes(&self) -> usize {
        let entry = 2 * self.head_dim * self.dtype.size_in_bytes();
        self.entries() * entry
    }

    fn allocated_bytes(&self) -> usize {
        let bytes = |x: &Tensor| x.elem_count() * self.dtype.size_in_bytes();
        self.heads
            .iter()
            .map(|h| bytes(&h.keys) + bytes(&h.values))
            .sum()
    }

    fn own_bytes(&self, other: &Self) -> usize {
        let bytes = |a: &Tensor, b: &Tensor| match a.id() == b.id() {
            true => 0,
            false => a.elem_count() * self.dtype.size_in_bytes(),
        };
        let heads = self.heads.iter().zip(&other.heads);
        heads
            .map(|(a, b)| bytes(&a.keys, &b.keys) + bytes(&a.values, &b.values))
            .sum()
    }
}

/// The first `len` rows of `x` in a buffer of `capacity` rows.
fn grown(x: &Tensor, len: usize, capacity: usize) -> Result<Tensor> {
    let out = Tensor::zeros((capacity, x.dim(1)?), x.dtype(), x.device())?;
    if len > 0 {
        out.slice_set(&x.narrow(0, 0, len)?.contiguous()?, 0, 0)?;
    }
    Ok(out)
}
