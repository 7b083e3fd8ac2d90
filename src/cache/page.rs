//! One page of one KV head: [`PAGE`] entries in the layouts the attention kernels want.

use half::f16;

/// Entries per page. A page is also the unit of work of the decode kernel.
pub const PAGE: usize = 64;

/// An element type the cache can hold.
pub trait KvElement: Copy + Send + Sync + PartialEq + std::fmt::Debug + 'static {
    const ZERO: Self;
    const NAME: &'static str;
    fn from_f32(x: f32) -> Self;
    fn to_f32(self) -> f32;
}

impl KvElement for f16 {
    const ZERO: Self = f16::ZERO;
    const NAME: &'static str = "f16";
    fn from_f32(x: f32) -> Self {
        f16::from_f32(x)
    }
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
}

impl KvElement for f32 {
    const ZERO: Self = 0.0;
    const NAME: &'static str = "f32";
    fn from_f32(x: f32) -> Self {
        x
    }
    fn to_f32(self) -> f32 {
        self
    }
}

/// Keys are stored transposed so that a kernel's lanes are entries (no horizontal sums), values
/// row by row so that its lanes are dimensions.
#[derive(Clone, Debug)]
pub struct Page<T> {
    keys: Box<[T]>,
    values: Box<[T]>,
}

impl<T: KvElement> Page<T> {
    /// An empty page for `head_dim` dimensions; unused slots are zero.
    pub fn new(head_dim: usize) -> Self {
        Page {
            keys: vec![T::ZERO; head_dim * PAGE].into_boxed_slice(),
            values: vec![T::ZERO; PAGE * head_dim].into_boxed_slice(),
        }
    }

    /// Keys after RoPE, `[head_dim, PAGE]`: dimension `d` of slot `s` is at `d * PAGE + s`.
    pub fn keys(&self) -> &[T] {
        &self.keys
    }

    /// Values, `[PAGE, head_dim]`.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Writes one entry; `key` and `value` are `[head_dim]`.
    pub fn write(&mut self, slot: usize, key: &[f32], value: &[f32]) {
        let dim = value.len();
        for (d, &k) in key.iter().enumerate() {
            self.keys[d * PAGE + slot] = T::from_f32(k);
        }
        let row = &mut self.values[slot * dim..(slot + 1) * dim];
        for (to, &v) in row.iter_mut().zip(value) {
            *to = T::from_f32(v);
        }
    }

    /// Copies slot `from` of `other` into `slot` without converting.
    pub fn copy_slot(&mut self, slot: usize, other: &Page<T>, from: usize, dim: usize) {
        for d in 0..dim {
            self.keys[d * PAGE + slot] = other.keys[d * PAGE + from];
        }
        self.values[slot * dim..(slot + 1) * dim]
            .copy_from_slice(&other.values[from * dim..(from + 1) * dim]);
    }

    /// Bytes of the page's two buffers.
    pub fn allocated_bytes(&self) -> usize {
        std::mem::size_of_val(&*self.keys) + std::mem::size_of_val(&*self.values)
    }
}
