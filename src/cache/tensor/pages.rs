//! A layer's entries as pages in host memory, and back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use candle_core::{DType, Result, Tensor};
use half::{bf16, f16};

use super::super::{HeadPages, KvElement, PAGE, Page, Store};
use super::TensorLayer;
use crate::device::ops;

impl TensorLayer {
    pub(super) fn exported(&self, first: usize) -> Result<Vec<HeadPages>> {
        match self.dtype {
            DType::F16 => self.pages_of::<f16>(first),
            DType::BF16 => self.pages_of::<bf16>(first),
            _ => self.pages_of::<f32>(first),
        }
    }

    fn pages_of<T: KvElement>(&self, first: usize) -> Result<Vec<HeadPages>> {
        let (dim, heads) = (self.head_dim, self.kv_heads());
        let len = self.lens().into_iter().min().unwrap_or(0);
        let count = len.saturating_sub(first);
        if count == 0 {
            return Ok(vec![Vec::new(); heads]);
        }
        let all = self.aligned()?;
        let host = |x: &Tensor| ops::read(&ops::contiguous(&x.narrow(1, first, count)?)?);
        let (keys, values) = (host(&all.keys)?, host(&all.values)?);
        let of_head = |h: usize| {
            let at = h * count * dim..(h + 1) * count * dim;
            let entries = keys[at.clone()].chunks(dim).zip(values[at].chunks(dim));
            let mut pages: HeadPages = Vec::with_capacity(count.div_ceil(PAGE));
            let mut page = Page::<T>::new(dim);
            for (i, (key, value)) in entries.enumerate() {
                page.write(i % PAGE, key, value);
                if i % PAGE == PAGE - 1 || i + 1 == count {
                    pages.push(page.bytes().clone());
                    page = Page::new(dim);
                }
            }
            pages
        };
        Ok((0..heads).map(of_head).collect())
    }

    pub(super) fn imported(&self, pages: &[HeadPages], len: usize) -> Result<Self> {
        let data = match self.dtype {
            DType::F16 => self.rows_of::<f16>(pages, len),
            DType::BF16 => self.rows_of::<bf16>(pages, len),
            _ => self.rows_of::<f32>(pages, len),
        };
        let capacity = len.max(1).next_multiple_of(PAGE);
        let shape = (2 * pages.len(), capacity, self.head_dim);
        let data = ops::upload(&data, shape, &self.device)?;
        Ok(TensorLayer {
            positions: vec![(0..len as u32).collect(); pages.len()],
            written: Arc::new(AtomicUsize::new(len)),
            data: ops::cast(&data, self.dtype)?,
            owners: None,
            spoiled: false,
            dtype: self.dtype,
            device: self.device.clone(),
            head_dim: self.head_dim,
        })
    }

    /// `[keys of all heads, values of all heads]`, each `[capacity, head_dim]`.
    fn rows_of<T: KvElement>(&self, pages: &[HeadPages], len: usize) -> Vec<f32> {
        let dim = self.head_dim;
        let capacity = len.max(1).next_multiple_of(PAGE);
        let group = capacity * dim;
        let mut rows = vec![0.0; 2 * pages.len() * group];
        let (all_keys, all_values) = rows.split_at_mut(pages.len() * group);
        let groups = all_keys.chunks_mut(group).zip(all_values.chunks_mut(group));
        for (pages, (keys, values)) in pages.iter().zip(groups) {
            let chunks = keys
                .chunks_mut(PAGE * dim)
                .zip(values.chunks_mut(PAGE * dim));
            for (p, (bytes, (keys, values))) in pages.iter().zip(chunks).enumerate() {
                let page = Page::<T>::of(bytes.clone());
                let used = PAGE.min(len.saturating_sub(p * PAGE));
                for (s, row) in keys.chunks_mut(dim).enumerate().take(used) {
                    let of_slot = page.keys()[s..].iter().step_by(PAGE);
                    row.iter_mut()
                        .zip(of_slot)
                        .for_each(|(to, k)| *to = k.to_f32());
                }
                let values = values[..used * dim].iter_mut().zip(page.values());
                values.for_each(|(to, v)| *to = v.to_f32());
            }
        }
        rows
    }
}
