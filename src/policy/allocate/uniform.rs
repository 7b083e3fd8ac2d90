//! SnapKV and PyramidKV: every head of a layer keeps the same number.

use super::Allocator;

/// The same for every head.
#[derive(Debug)]
pub struct Uniform;

impl Allocator for Uniform {
    fn shares(&self, worth: &[Vec<f32>], base: usize, _alpha: f64) -> Vec<usize> {
        vec![base; worth.len()]
    }
}
