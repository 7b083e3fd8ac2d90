//! One page of one KV head: [`PAGE`] entries in the layouts the attention kernels want.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use half::{bf16, f16};

/// Entries per page. A page is also the unit of work of the decode kernel.
pub const PAGE: usize = 64;

/// An element type the cache can hold.
pub trait KvElement: bytemuck::Pod + Send + Sync + PartialEq + fmt::Debug {
    const NAME: &'static str;
    fn from_f32(x: f32) -> Self;
    fn to_f32(self) -> f32;
}

impl KvElement for f16 {
    const NAME: &'static str = "f16";
    fn from_f32(x: f32) -> Self {
        f16::from_f32(x)
    }
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
}

impl KvElement for bf16 {
    const NAME: &'static str = "bf16";
    fn from_f32(x: f32) -> Self {
        bf16::from_f32(x)
    }
    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }
}

impl KvElement for f32 {
    const NAME: &'static str = "f32";
    fn from_f32(x: f32) -> Self {
        x
    }
    fn to_f32(self) -> f32 {
        self
    }
}

/// Memory that is not the cache's own, such as a mapped file. It stays as it is while it is held.
pub trait Lent: Send + Sync {
    fn bytes(&self) -> &[u8];
}

/// A page's numbers, whatever their type: in memory of its own, or a part of what was lent.
#[derive(Clone)]
pub struct PageBytes(Place);

#[derive(Clone)]
enum Place {
    /// 16 bytes each, so that every element type is aligned.
    Own(Box<[u128]>),
    Lent {
        of: Arc<dyn Lent>,
        at: usize,
        len: usize,
    },
}

/// The pages of one KV head.
pub type HeadPages = Vec<Arc<PageBytes>>;

impl PageBytes {
    fn zeroed(bytes: usize) -> Self {
        PageBytes(Place::Own(vec![0; bytes.div_ceil(16)].into_boxed_slice()))
    }

    /// A copy of these; zeros follow up to a multiple of 16.
    pub fn of(bytes: &[u8]) -> Self {
        let mut page = PageBytes::zeroed(bytes.len());
        page.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
        page
    }

    /// `len` bytes from `at` on, both multiples of 16; `None` where they are not, or not there.
    pub fn lent(of: Arc<dyn Lent>, at: usize, len: usize) -> Option<Self> {
        let part = of.bytes().get(at..at.checked_add(len)?)?;
        let aligned = part.as_ptr().addr().is_multiple_of(16) && len.is_multiple_of(16);
        aligned.then_some(PageBytes(Place::Lent { of, at, len }))
    }

    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Place::Own(lines) => bytemuck::cast_slice(lines),
            Place::Lent { of, at, len } => &of.bytes()[*at..*at + *len],
        }
    }

    /// To be written to: what was lent is copied first.
    fn as_mut_slice(&mut self) -> &mut [u8] {
        if !self.is_own() {
            let mut own = PageBytes::zeroed(self.as_slice().len());
            own.as_mut_slice().copy_from_slice(self.as_slice());
            *self = own;
        }
        match &mut self.0 {
            Place::Own(lines) => bytemuck::cast_slice_mut(lines),
            Place::Lent { .. } => &mut [],
        }
    }

    /// Whether it is in memory of its own.
    pub fn is_own(&self) -> bool {
        matches!(self.0, Place::Own(_))
    }
}

impl fmt::Debug for PageBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_own() { "own" } else { "lent" };
        write!(f, "{} {kind} bytes", self.as_slice().len())
    }
}

/// Keys are stored transposed so that a kernel's lanes are entries (no horizontal sums), values
/// row by row so that its lanes are dimensions: `[head_dim, PAGE]` and then `[PAGE, head_dim]`.
///
/// A clone shares its bytes until one of both is written to.
#[derive(Clone, Debug)]
pub struct Page<T> {
    bytes: Arc<PageBytes>,
    element: PhantomData<T>,
}

impl<T: KvElement> Page<T> {
    /// An empty page for `head_dim` dimensions; unused slots are zero.
    pub fn new(head_dim: usize) -> Self {
        Page::of(Arc::new(PageBytes::zeroed(Self::len(head_dim))))
    }

    /// A page of that many dimensions takes so many bytes.
    pub fn len(head_dim: usize) -> usize {
        2 * head_dim * PAGE * std::mem::size_of::<T>()
    }

    pub fn of(bytes: Arc<PageBytes>) -> Self {
        let element = PhantomData;
        Page { bytes, element }
    }

    pub fn bytes(&self) -> &Arc<PageBytes> {
        &self.bytes
    }

    fn numbers(&self) -> &[T] {
        bytemuck::cast_slice(self.bytes.as_slice())
    }

    /// Keys and values, to be written to.
    fn numbers_mut(&mut self) -> (&mut [T], &mut [T]) {
        let all = bytemuck::cast_slice_mut(Arc::make_mut(&mut self.bytes).as_mut_slice());
        all.split_at_mut(all.len() / 2)
    }

    /// Keys after RoPE, `[head_dim, PAGE]`: dimension `d` of slot `s` is at `d * PAGE + s`.
    pub fn keys(&self) -> &[T] {
        let all = self.numbers();
        &all[..all.len() / 2]
    }

    /// Values, `[PAGE, head_dim]`.
    pub fn values(&self) -> &[T] {
        let all = self.numbers();
        &all[all.len() / 2..]
    }

    /// Writes one entry; `key` and `value` are `[head_dim]`.
    pub fn write(&mut self, slot: usize, key: &[f32], value: &[f32]) {
        let dim = value.len();
        let (keys, values) = self.numbers_mut();
        for (d, &k) in key.iter().enumerate() {
            keys[d * PAGE + slot] = T::from_f32(k);
        }
        let row = &mut values[slot * dim..(slot + 1) * dim];
        for (to, &v) in row.iter_mut().zip(value) {
            *to = T::from_f32(v);
        }
    }

    /// Zeros in `slots`, where nobody shares the page.
    pub fn clear(&mut self, slots: std::ops::Range<usize>, dim: usize) {
        let bytes = Arc::get_mut(&mut self.bytes).filter(|bytes| bytes.is_own());
        let Some(bytes) = bytes.filter(|_| !slots.is_empty()) else {
            return;
        };
        let all: &mut [T] = bytemuck::cast_slice_mut(bytes.as_mut_slice());
        let (keys, values) = all.split_at_mut(all.len() / 2);
        for row in keys.chunks_exact_mut(PAGE) {
            row[slots.clone()].fill(T::zeroed());
        }
        values[slots.start * dim..slots.end * dim].fill(T::zeroed());
    }

    /// Copies slot `from` of `other` into `slot` without converting.
    pub fn copy_slot(&mut self, slot: usize, other: &Page<T>, from: usize, dim: usize) {
        let (other_keys, other_values) = (other.keys(), other.values());
        let (keys, values) = self.numbers_mut();
        for d in 0..dim {
            keys[d * PAGE + slot] = other_keys[d * PAGE + from];
        }
        values[slot * dim..(slot + 1) * dim]
            .copy_from_slice(&other_values[from * dim..(from + 1) * dim]);
    }

    /// Whether both are the same memory.
    pub fn shares(&self, other: &Page<T>) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }

    /// Takes what was lent into memory of its own.
    pub fn detach(&mut self) {
        if !self.bytes.is_own() {
            Arc::make_mut(&mut self.bytes).as_mut_slice();
        }
    }

    /// Bytes of the page's own memory; what was lent is not the cache's.
    pub fn allocated_bytes(&self) -> usize {
        match self.bytes.is_own() {
            true => self.bytes.as_slice().len(),
            false => 0,
        }
    }
}
