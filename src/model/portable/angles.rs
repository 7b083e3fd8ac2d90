//! Angles on a device, sent there once per step and used by all layers.

use std::cell::{OnceCell, RefCell};

use candle_core::{DType, Device, Result, Tensor};

use crate::device::ops;
use crate::model::{
    rope,
    shape::{AttentionShape, RopePairing},
};

/// Cosines and sines of a run of positions.
pub struct Angles {
    host: rope::Angles,
    rows: usize,
    device: Device,
    dtype: DType,
    /// See [`Angles::all`].
    all: OnceCell<(Tensor, Tensor)>,
    /// See [`Angles::whole_row`]; for each shape of heads.
    whole_rows: RefCell<Vec<(Heads, (Tensor, Tensor))>>,
}

/// What a whole row's table depends on.
#[derive(Clone, Copy, PartialEq)]
struct Heads {
    queries: usize,
    keys: usize,
    head_dim: usize,
    scale: f32,
}

impl Angles {
    /// `dtype` is that of the activations.
    pub fn new(host: rope::Angles, rows: usize, device: &Device, dtype: DType) -> Self {
        Angles {
            host,
            rows,
            device: device.clone(),
            dtype,
            all: OnceCell::new(),
            whole_rows: RefCell::default(),
        }
    }

    /// Of `rows` rows from `offset` on, each `[rows, 1, rotary dimensions / 2]`: for candle a row is
    /// a batch, so that nothing has to be transposed.
    pub fn all(&self, offset: usize, rows: usize) -> Result<(Tensor, Tensor)> {
        let (cos, sin) = match self.all.get() {
            Some(all) => all.clone(),
            None => {
                let all =
                    self.upload(&self.host.cos, &self.host.sin, (self.rows, self.host.half))?;
                self.all.get_or_init(|| all).clone()
            }
        };
        Ok((cos.narrow(0, offset, rows)?, sin.narrow(0, offset, rows)?))
    }

    /// Of a single position, for a whole row `[queries | keys | values]` as one batch of heads,
    /// `[heads, 1, head_dim / 2]`: queries are turned and scaled, keys turned, values left alone, in
    /// one launch. `None` where that cannot be said with angles.
    pub fn whole_row(&self, a: &AttentionShape) -> Result<Option<(Tensor, Tensor)>> {
        let Some(rotary) = &a.rotary else {
            return Ok(None);
        };
        // Which dimension goes with which is the head's business but in interleaved pairs.
        let whole = rotary.dim == a.head_dim;
        let pairs = a.head_dim.is_multiple_of(2) && rotary.pairing == RopePairing::Interleaved;
        if self.rows != 1 || !(whole || pairs) {
            return Ok(None);
        }
        let heads = Heads {
            queries: a.heads,
            keys: a.kv_heads,
            head_dim: a.head_dim,
            scale: a.scale,
        };
        let made = self.whole_rows.borrow();
        if let Some((_, table)) = made.iter().find(|(of, _)| *of == heads) {
            return Ok(Some(table.clone()));
        }
        drop(made);
        let half = a.head_dim / 2;
        let still = half - self.host.half;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        let mut row = |angles: &rope::Angles, by: f32| {
            cos.extend(angles.cos.iter().map(|c| c * by));
            sin.extend(angles.sin.iter().map(|s| s * by));
            cos.resize(cos.len() + still, by);
            sin.resize(sin.len() + still, 0.0);
        };
        (0..a.heads).for_each(|_| row(&self.host, a.scale));
        (0..a.kv_heads).for_each(|_| row(&self.host, 1.0));
        let batch = a.heads + 2 * a.kv_heads;
        cos.resize(batch * half, 1.0);
        sin.resize(batch * half, 0.0);
        let table = self.upload(&cos, &sin, (batch, half))?;
        self.whole_rows.borrow_mut().push((heads, table.clone()));
        Ok(Some(table))
    }

    fn upload(&self, cos: &[f32], sin: &[f32], shape: (usize, usize)) -> Result<(Tensor, Tensor)> {
        let both = [cos, sin].concat();
        let both = ops::upload(&both, (2, shape.0, 1, shape.1), &self.device)?;
        let both = ops::cast(&both, self.dtype)?;
        Ok((both.get(0)?, both.get(1)?))
    }
}
