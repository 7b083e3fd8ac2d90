//! Taking entries out of a layer and putting them together again, each time in one selection of
//! rows into a new buffer.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use candle_core::{Result, Tensor};

use super::super::{PAGE, Store, layer::in_order};
use super::{TensorLayer, order};
use crate::device::ops;

/// An entry of a head: its position, and the rows of its key and value.
type Source = (u32, u32, u32);

impl TensorLayer {
    pub(super) fn gathered(&self, kept: &[Vec<u32>]) -> Result<Self> {
        let entries = self.sources(0);
        let heads = entries.iter().zip(kept);
        let kept = heads.map(|(head, kept)| kept.iter().map(|&i| head[i as usize]).collect());
        self.made_of(&self.rows()?, &kept.collect::<Vec<_>>())
    }

    pub(super) fn merged(&self, other: &Self) -> Result<Self> {
        let first = self.rows()?;
        let (ours, theirs) = (self.sources(0), other.sources(first.dims()[0] as u32));
        let heads = ours.iter().zip(&theirs).enumerate().map(|(h, (a, b))| {
            let order = in_order(self.positions(h), other.positions(h)).into_iter();
            let pick = |(of_b, i): (bool, u32)| if of_b { b[i as usize] } else { a[i as usize] };
            order.map(pick).collect()
        });
        let heads: Vec<Vec<Source>> = heads.collect();
        self.made_of(&ops::cat(&[first, other.rows()?], 0)?, &heads)
    }

    /// Each head's entries, in rows that lie behind `offset` others.
    fn sources(&self, offset: u32) -> Vec<Vec<Source>> {
        let lens = self.lens();
        let capacity = self.capacity() as u32;
        let rows = match self.owners {
            None => {
                let heads = (0..lens.len() as u32).zip(&lens);
                let of = |(h, &len): (u32, &usize)| (0..len as u32).map(move |i| h * capacity + i);
                heads.map(|head| of(head).collect()).collect()
            }
            Some(_) => order::of_heads(&lens),
        };
        let to_value = self.data.dims()[0] as u32 / 2 * capacity;
        let heads = self.positions.iter().zip(rows);
        let source = |(&position, row): (&u32, u32)| {
            let key = offset + row;
            (position, key, key + to_value)
        };
        heads
            .map(|(positions, rows): (_, Vec<u32>)| {
                positions.iter().zip(rows).map(source).collect()
            })
            .collect()
    }

    /// A layer of the heads' entries, which are rows of `from`.
    fn made_of(&self, from: &Tensor, heads: &[Vec<Source>]) -> Result<Self> {
        let lens: Vec<usize> = heads.iter().map(Vec::len).collect();
        let even = lens.windows(2).all(|pair| pair[0] == pair[1]);
        let used = match even {
            true => lens.first().copied().unwrap_or(0),
            false => lens.iter().sum(),
        };
        let (groups, step) = match even {
            true => (2 * heads.len(), 1),
            false => (2, heads.len()),
        };
        let capacity = used.max(1).next_multiple_of(PAGE * step);
        // Spare rows are copies of the first: nothing reads them before they are written.
        let mut index = vec![0u32; groups * capacity];
        let mut put = |row: usize, (_, key, value): Source| {
            index[row] = key;
            index[groups / 2 * capacity + row] = value;
        };
        match even {
            true => {
                for (h, head) in heads.iter().enumerate() {
                    let rows = h * capacity..;
                    rows.zip(head).for_each(|(row, source)| put(row, *source));
                }
            }
            false => {
                let order = order::rows(&lens).enumerate();
                order.for_each(|(row, (h, i))| put(row, heads[h][i]));
            }
        }
        let data = ops::select(from, &self.index(&index)?)?;
        let positions = |head: &Vec<Source>| head.iter().map(|source| source.0).collect();
        Ok(TensorLayer {
            positions: heads.iter().map(positions).collect(),
            written: Arc::new(AtomicUsize::new(used)),
            data: data.reshape((groups, capacity, self.head_dim))?,
            owners: match even {
                true => None,
                false => Some(self.owned(&lens, capacity)?),
            },
            spoiled: false,
            dtype: self.dtype,
            device: self.device.clone(),
            head_dim: self.head_dim,
        })
    }
}
