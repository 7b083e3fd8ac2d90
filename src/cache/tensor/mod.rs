//! Ragged keys and values as candle tensors: the storage of the portable path, on any device.
//!
//! A layer is one tensor, so that appending a token is one copy whatever the number of heads, and
//! attention is one product with the keys and one with the values:
//!
//! - **Even**, while all heads hold equally many entries: `[keys of head 0, …, values of head 0, …]`,
//!   each `[capacity, head_dim]`. Products are batched over the heads.
//! - **Ragged**, after an eviction that leaves the heads different lengths: `[keys, values]`, each the
//!   rows of all heads, end by end (see `order.rs`). A decoded token's queries of all heads are
//!   multiplied with all rows at once, and an additive mask, made once per buffer and already right
//!   for the rows to come, leaves to each head its own: more arithmetic than is needed, but a decode
//!   step on a GPU is bound by launches and by reading the rows, and each row is read once. Memory
//!   is exact: nothing is padded. Queries of many rows go through [`TensorLayer::aligned`].

mod order;
mod pages;
mod query;
mod take;

pub use query::Query;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Result, Tensor};

use super::{HeadPages, Numbers, PAGE, Store};
use crate::device::ops;

/// The KV heads of one layer.
///
/// A clone shares the buffer, and whichever side appends first goes on in it; the other copies
/// its own rows out when it comes to append, for the place behind them is taken.
#[derive(Clone, Debug)]
pub struct TensorLayer {
    /// Of each head.
    positions: Vec<Vec<u32>>,
    /// Rows of a group that any of those who share the buffer has written.
    written: Arc<AtomicUsize>,
    /// `[groups, capacity, head_dim]`: two groups per head where it is even, else two.
    data: Tensor,
    /// Where it is ragged, `[kv_heads, capacity]`: 0 at a head's own rows, −∞ at others.
    owners: Option<Tensor>,
    /// The spare rows are not owned in the order of appending.
    spoiled: bool,
    dtype: DType,
    device: Device,
    head_dim: usize,
}

/// A layer's entries as a single row of queries reads them.
pub enum Entries {
    /// Keys and values `[kv_heads, len, head_dim]`.
    Even(Tensor, Tensor),
    /// Keys and values of all heads `[rows, head_dim]`, and whose is which, `[kv_heads, rows]`.
    Ragged(Tensor, Tensor, Tensor),
}

/// A layer's entries in a box, the ends of all heads together: `[kv_heads, longest, head_dim]`.
pub struct Aligned {
    pub keys: Tensor,
    pub values: Tensor,
    /// Of each head, how many rows before its first entry are none; `None` = none of any.
    pub before: Option<Vec<usize>>,
}

impl TensorLayer {
    pub fn new(kv_heads: usize, head_dim: usize, dtype: DType, device: &Device) -> Result<Self> {
        Ok(TensorLayer {
            positions: vec![Vec::new(); kv_heads],
            written: Arc::default(),
            // Devices do without tensors of nothing.
            data: ops::zeros(((2 * kv_heads).max(1), PAGE, head_dim), dtype, device)?,
            owners: None,
            spoiled: false,
            dtype,
            device: device.clone(),
            head_dim,
        })
    }

    fn kv_heads(&self) -> usize {
        self.positions.len()
    }

    fn capacity(&self) -> usize {
        self.data.dims()[1]
    }

    /// Rows of a group that one token takes.
    fn step(&self) -> usize {
        match self.owners {
            None => 1,
            Some(_) => self.kv_heads(),
        }
    }

    /// Rows of a group in use.
    fn used(&self) -> usize {
        match self.owners {
            None => self.positions.first().map_or(0, Vec::len),
            Some(_) => self.entries(),
        }
    }

    /// As a single row of queries reads them.
    pub fn entries_in_place(&self) -> Result<Entries> {
        let kv_heads = self.kv_heads();
        let used = self.data.narrow(1, 0, self.used())?;
        Ok(match &self.owners {
            None => {
                let keys = used.narrow(0, 0, kv_heads)?;
                Entries::Even(keys, used.narrow(0, kv_heads, kv_heads)?)
            }
            Some(owners) => {
                let owners = owners.narrow(1, 0, self.used())?;
                Entries::Ragged(used.get(0)?, used.get(1)?, owners)
            }
        })
    }

    /// In a box; ragged heads are copied into one that lasts as long as it is looked at.
    pub fn aligned(&self) -> Result<Aligned> {
        if let Entries::Even(keys, values) = self.entries_in_place()? {
            return Ok(Aligned {
                keys,
                values,
                before: None,
            });
        }
        let lens = self.lens();
        let longest = lens.iter().copied().max().unwrap_or(0);
        let before: Vec<usize> = lens.iter().map(|len| longest - len).collect();
        let mut index = Vec::with_capacity(2 * lens.len() * longest);
        let values_at = self.capacity() as u32;
        for offset in [0, values_at] {
            for (rows, &none) in order::of_heads(&lens).iter().zip(&before) {
                index.resize(index.len() + none, 0);
                index.extend(rows.iter().map(|row| row + offset));
            }
        }
        let both = ops::select(&self.rows()?, &self.index(&index)?)?;
        let both = both.reshape((2, lens.len(), longest, self.head_dim))?;
        Ok(Aligned {
            keys: both.get(0)?,
            values: both.get(1)?,
            before: Some(before),
        })
    }

    /// Appends to every head; `both` is `[rows, keys of all heads | values of all heads]` in the
    /// layer's type.
    pub fn append(&mut self, positions: &[u32], both: &Tensor) -> Result<()> {
        let (rows, kv_heads) = (positions.len(), self.kv_heads());
        let both = both.reshape((rows, 2, kv_heads, self.head_dim))?;
        let both = match self.owners {
            None => ops::contiguous(&both.permute((1, 2, 0, 3))?)?,
            Some(_) => ops::contiguous(&both.transpose(0, 1)?)?,
        };
        let more = rows * self.step();
        let groups = self.data.dims()[0];
        let both = both.reshape((groups, more, self.head_dim))?;
        let used = self.used();
        if self.spoiled || used + more > self.capacity() || !self.claims(used, more) {
            self.move_out(used + more)?;
        }
        ops::set(&self.data, &both, 1, used)?;
        for of_head in &mut self.positions {
            of_head.extend_from_slice(positions);
        }
        Ok(())
    }

    /// Takes `more` rows behind the first `used`; false where another has written there.
    fn claims(&self, used: usize, more: usize) -> bool {
        let (ok, no) = (Ordering::AcqRel, Ordering::Acquire);
        let written = &self.written;
        written.compare_exchange(used, used + more, ok, no).is_ok()
    }

    /// Into a buffer of its own with place for `wanted` rows, all of them claimed.
    fn move_out(&mut self, wanted: usize) -> Result<()> {
        let used = self.used();
        // A quarter more each time: copies are rare, and little is allocated for nothing.
        let capacity = match wanted > self.capacity() {
            true => wanted.max(self.capacity() + self.capacity() / 4),
            false => self.capacity(),
        };
        let capacity = capacity.next_multiple_of(PAGE * self.step());
        let groups = self.data.dims()[0];
        let data = ops::zeros((groups, capacity, self.head_dim), self.dtype, &self.device)?;
        if used > 0 {
            let old = ops::contiguous(&self.data.narrow(1, 0, used)?)?;
            ops::set(&data, &old, 1, 0)?;
        }
        if self.owners.is_some() {
            self.owners = Some(self.owned(&self.lens(), capacity)?);
        }
        self.data = data;
        self.written = Arc::new(AtomicUsize::new(wanted));
        self.spoiled = false;
        Ok(())
    }

    /// The additive mask of heads of `lens` entries, and of tokens to come.
    fn owned(&self, lens: &[usize], capacity: usize) -> Result<Tensor> {
        let kv_heads = lens.len();
        let mut mask = vec![f32::NEG_INFINITY; kv_heads * capacity];
        let held = order::rows(lens).map(|(head, _)| head);
        let heads = held.chain((0..kv_heads).cycle());
        for (row, head) in heads.take(capacity).enumerate() {
            mask[head * capacity + row] = 0.0;
        }
        let mask = ops::upload(&mask, (kv_heads, capacity), &self.device)?;
        ops::cast(&mask, self.dtype)
    }

    /// All rows of the buffer, `[groups × capacity, head_dim]`.
    fn rows(&self) -> Result<Tensor> {
        self.data.reshape(((), self.head_dim))
    }

    fn index(&self, rows: &[u32]) -> Result<Tensor> {
        ops::upload(rows, rows.len(), &self.device)
    }

    fn bytes(&self) -> usize {
        if self.kv_heads() == 0 {
            return 0;
        }
        let owners = self.owners.as_ref().map_or(0, Tensor::elem_count);
        (self.data.elem_count() + owners) * self.dtype.size_in_bytes()
    }
}

impl Numbers for Tensor {
    fn bytes(&self) -> usize {
        self.elem_count() * self.dtype().size_in_bytes()
    }

    fn to_host(&self) -> Result<Vec<f32>> {
        ops::read(self)
    }
}

impl Store for TensorLayer {
    type Query = Query;
    /// f32 whatever the layer's type, one behind the other.
    type Numbers = Tensor;

    fn lens(&self) -> Vec<usize> {
        self.positions.iter().map(Vec::len).collect()
    }

    fn positions(&self, head: usize) -> &[u32] {
        &self.positions[head]
    }

    fn gather(&self, kept: &[Vec<u32>]) -> Result<Self> {
        match self.kv_heads() {
            0 => Ok(self.clone()),
            _ => self.gathered(kept),
        }
    }

    fn put_back(&self, other: &Self) -> Result<Self> {
        match self.kv_heads() {
            0 => Ok(self.clone()),
            _ => self.merged(other),
        }
    }

    fn take_back(&mut self, entries: usize) {
        self.spoiled |= self.owners.is_some() && self.lens().iter().any(|&len| len < entries);
        for of_head in &mut self.positions {
            of_head.truncate(of_head.len().saturating_sub(entries));
        }
        let used = self.used();
        // Where nobody else holds them, the rows can be written again.
        if let Some(written) = Arc::get_mut(&mut self.written) {
            *written.get_mut() = used;
        }
    }

    fn export(&self, first: usize) -> Result<Vec<HeadPages>> {
        match self.kv_heads() {
            0 => Ok(Vec::new()),
            _ => self.exported(first),
        }
    }

    fn import(&self, pages: Vec<HeadPages>, len: usize) -> Result<Self> {
        match self.kv_heads() {
            0 => Ok(self.clone()),
            _ => self.imported(&pages, len),
        }
    }

    fn detach(&mut self) {}

    fn used_bytes(&self) -> usize {
        let entry = 2 * self.head_dim * self.dtype.size_in_bytes();
        self.entries() * entry
    }

    fn allocated_bytes(&self) -> usize {
        self.bytes()
    }

    fn own_bytes(&self, other: &Self) -> usize {
        match self.data.id() == other.data.id() {
            true => 0,
            false => self.bytes(),
        }
    }
}
