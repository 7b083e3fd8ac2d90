//! Attention sinks give what the CPU backend's kernels give.

use super::against_host::{Both, runs};
use super::shapes::plain;
use crate::model::shape::AttentionShape;

#[test]
fn sinks() {
    for (kv_heads, window, soft_cap) in [(3, None, None), (1, Some(7), None), (6, None, Some(1.5))]
    {
        let shape = AttentionShape {
            kv_heads,
            window,
            soft_cap,
            ..plain()
        };
        let mut both = Both::new(shape, false, 5);
        both.sinks = Some(vec![-9.0, 0.0, 1.0, 2.5, -1.0, 30.0]);
        runs(both);
    }
}
