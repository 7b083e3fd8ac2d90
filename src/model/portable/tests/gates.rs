//! What gates give is what the CPU backend's kernels give.

use candle_core::{Device, Tensor};

use super::against_host::{Both, close, rows_of};
use super::shapes::plain;
use crate::model::backend::Backend;
use crate::model::shape::Gate;

#[test]
fn gates() {
    let both = Both::new(plain(), false, 1);
    let rows: Vec<f32> = (0..60).map(|i| (i as f32 - 30.0) / 3.0).collect();
    for gate in [Gate::Silu, Gate::Gelu, Gate::Clamped] {
        let expected = both.host.gated(gate, &rows_of(rows.clone(), 3)).unwrap();
        let on_device = Tensor::from_slice(&rows, (3, 20), &Device::Cpu).unwrap();
        let found = both.portable.gated(gate, &on_device).unwrap();
        let found = both.portable.to_host(found).unwrap();
        close(&both.host.to_host(expected).unwrap(), &found, "gated");
    }
}
