//! Who sees whom, by arithmetic on the device.

use std::sync::Mutex;

use candle_core::{DType, Device, Result, Tensor};

use crate::device::ops;

/// Additive masks, 0 or −∞. The last one is kept: all layers of a block ask for the same.
pub struct Masks {
    device: Device,
    dtype: DType,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// 0, 1, 2, … in f32 (exact up to 16 million), `[1, n]`.
    counting: Option<Tensor>,
    /// 0 and −∞.
    levels: Option<(Tensor, Tensor)>,
    last: Option<(Causal, Tensor)>,
}

/// Row `r` of `rows` sees, of `len` entries, the first `len − (rows − 1 − r)`, and of those the
/// newest `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Causal {
    pub rows: usize,
    pub len: usize,
    pub window: Option<usize>,
}

impl Masks {
    /// `dtype` is that of the scores.
    pub fn new(device: &Device, dtype: DType) -> Self {
        Masks {
            device: device.clone(),
            dtype,
            state: Mutex::default(),
        }
    }

    /// `[rows, len]`
    pub fn causal(&self, causal: Causal) -> Result<Tensor> {
        let mut state = self.lock();
        if let Some((of, mask)) = &state.last
            && *of == causal
        {
            return Ok(mask.clone());
        }
        let Causal { rows, len, window } = causal;
        let entries = state.counting(len.max(rows), &self.device)?;
        let column = entries.narrow(1, 0, rows)?.reshape((rows, 1))?;
        let entries = entries.narrow(1, 0, len)?;
        let shape = [rows, len];
        // The first entry that row r does not see any more.
        let end = ops::affine(&column, 1.0, len as f64 + 1.0 - rows as f64)?;
        let mut seen = ops::less(&entries, &end, &shape)?;
        if let Some(window) = window {
            let before = ops::affine(&end, 1.0, -(window as f64) - 1.0)?;
            seen = ops::mul(&seen, &ops::less(&before, &entries, &shape)?)?;
        }
        let mask = self.barrier(&mut state, &seen)?;
        state.last = Some((causal, mask.clone()));
        Ok(mask)
    }

    /// Hides of each head the first so many of `len` entries, `[heads, 1, len]`.
    pub fn before(&self, before: &[usize], len: usize) -> Result<Tensor> {
        let mut state = self.lock();
        let last: Vec<f32> = before.iter().map(|&n| n as f32 - 1.0).collect();
        let last = ops::upload(&last, (before.len(), 1), &self.device)?;
        let entries = state.counting(len, &self.device)?.narrow(1, 0, len)?;
        let seen = ops::less(&last, &entries, &[before.len(), len])?;
        self.barrier(&mut state, &seen)?.unsqueeze(1)
    }

    fn barrier(&self, state: &mut State, seen: &Tensor) -> Result<Tensor> {
        let (zero, infinity) = match &state.levels {
            Some(levels) => levels,
            None => {
                let both = ops::upload(&[0.0, f32::NEG_INFINITY], (2, 1), &self.device)?;
                let both = ops::cast(&both, self.dtype)?;
                state.levels.insert((both.get(0)?, both.get(1)?))
            }
        };
        ops::barrier(seen, zero, infinity)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

impl State {
    fn counting(&mut self, n: usize, device: &Device) -> Result<Tensor> {
        match &self.counting {
            Some(counting) if counting.dims()[1] >= n => Ok(counting.clone()),
            _ => {
                let n = n.next_power_of_two().max(256);
                let counting: Vec<f32> = (0..n).map(|i| i as f32).collect();
                let counting = ops::upload(&counting, (1, n), device)?;
                self.counting = Some(counting.clone());
                Ok(counting)
            }
        }
    }
}
