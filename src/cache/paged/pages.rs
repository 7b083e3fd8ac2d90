//! A layer's entries as pages in host memory, and back.

use std::sync::Arc;

use candle_core::Result;
use half::{bf16, f16};

use super::super::{HeadPages, PAGE, PageBytes};
use super::PagedLayer;
use super::head::Head;
use super::moves::Plan;
use crate::gpu::Element;

impl PagedLayer {
    /// Bytes of the pages from `first` on of every head, one behind the other as they are on the device: one read.
    fn read_pages(&self, first: usize) -> Result<Vec<Vec<u8>>> {
        let bytes = self.page_bytes();
        let pages = || {
            self.heads
                .iter()
                .flat_map(|head| head.pages.iter().skip(first))
        };
        let count = pages().count();
        if count == 0 {
            return Ok(vec![Vec::new(); self.heads.len()]);
        }
        let staging = self.gpu.buffer(count * bytes)?;
        let mut plan = Plan {
            from: pages().map(|page| page.at()).collect(),
            ..Plan::default()
        };
        let to: Vec<u64> = (0..count)
            .map(|i| staging.at() + (i * bytes) as u64)
            .collect();
        plan.head(0..count * PAGE, &to, 0);
        plan.run(&self.gpu, self.row_bytes())?;
        let all = self.gpu.read(staging.at(), count * bytes)?;
        let mut rest = &all[..];
        let of_head = self.heads.iter().map(|head| {
            let len = head.pages.len().saturating_sub(first) * bytes;
            let (of_head, behind) = rest.split_at(len);
            rest = behind;
            of_head.to_vec()
        });
        Ok(of_head.collect())
    }

    /// Keys and values of every head in f32, each `[len, head_dim]`.
    pub fn read_entries(&self) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        let half = PAGE * self.row_bytes();
        let heads = self.read_pages(0)?.into_iter().zip(&self.heads);
        let of_head = heads.map(|(bytes, head)| {
            let numbers = head.positions.len() * self.head_dim;
            let part = |offset: usize| {
                let parts = bytes
                    .chunks_exact(2 * half)
                    .map(|page| &page[offset..offset + half]);
                let mut out: Vec<f32> = parts.flat_map(|part| self.floats(part)).collect();
                out.truncate(numbers);
                out
            };
            (part(0), part(half))
        });
        Ok(of_head.collect())
    }

    fn floats(&self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        match self.element {
            Element::F32 => {
                let words = bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
                words.map(f32::from_le_bytes).collect()
            }
            Element::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Element::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        }
    }

    pub(super) fn exported(&self, first: usize) -> Result<Vec<HeadPages>> {
        let heads = self.read_pages(first / PAGE)?.into_iter().zip(&self.heads);
        let of_head = heads.map(|(bytes, head)| {
            let pages = bytes.chunks_exact(self.page_bytes()).enumerate();
            let page = |(i, page): (usize, &[u8])| {
                let held = head
                    .positions
                    .len()
                    .saturating_sub((first / PAGE + i) * PAGE)
                    .min(PAGE);
                Arc::new(PageBytes::of(&self.turned(page, held, true)))
            };
            pages.map(page).collect()
        });
        Ok(of_head.collect())
    }

    pub(super) fn imported(&self, pages: &[HeadPages], len: usize) -> Result<Self> {
        let bytes = self.page_bytes();
        let mut plan = Plan::default();
        let mut all = Vec::new();
        let mut heads = Vec::with_capacity(pages.len());
        for pages in pages {
            let head = self.new_head(len)?;
            let to: Vec<u64> = head.pages.iter().map(|page| page.at()).collect();
            plan.head(0..to.len() * PAGE, &to, all.len() / bytes);
            for (i, page) in pages.iter().take(to.len()).enumerate() {
                let held = (len - i * PAGE).min(PAGE);
                all.extend(self.turned(page.as_slice(), held, false));
            }
            // Pages that are missing are zeros.
            all.resize(plan.index.len() / PAGE * bytes, 0);
            heads.push(Head {
                positions: (0..len as u32).collect(),
                ..head
            });
        }
        if !all.is_empty() {
            let staging = self.gpu.upload(&all)?;
            plan.from = (0..all.len() / bytes)
                .map(|i| staging.at() + (i * bytes) as u64)
                .collect();
            plan.run(&self.gpu, self.row_bytes())?;
        }
        self.of(heads)
    }

    /// A page with its keys turned round, from `[64, head_dim]` to `[head_dim, 64]` for the host or back; of
    /// entries behind the first `held` nothing stays.
    fn turned(&self, page: &[u8], held: usize, to_host: bool) -> Vec<u8> {
        let (size, dim) = (self.element.bytes(), self.head_dim);
        let half = PAGE * self.row_bytes();
        let mut out = vec![0; 2 * half];
        for slot in 0..held {
            for d in 0..dim {
                let (ours, hosts) = ((slot * dim + d) * size, (d * PAGE + slot) * size);
                let (from, to) = if to_host {
                    (ours, hosts)
                } else {
                    (hosts, ours)
                };
                out[to..to + size].copy_from_slice(&page[from..from + size]);
            }
        }
        let values = half..half + held * self.row_bytes();
        out[values.clone()].copy_from_slice(&page[values]);
        out
    }
}
