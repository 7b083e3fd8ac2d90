//! Rotary position embedding: the angles. Turning is the kernels' and the backends' business.

use super::{
    error::Result,
    gguf::GgufFile,
    shape::{Rotary, Sections, Yarn},
    weights,
};

/// Inverse frequencies of a layer, `[rotary dimensions / 2]`.
#[derive(Clone, Debug)]
pub struct Rope {
    frequencies: Vec<f32>,
    magnitude: f32,
}

/// Cosines and sines of a run of positions, each `[rows, rotary dimensions / 2]`, times the
/// layer's magnitude.
#[derive(Clone, Debug)]
pub struct Angles {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub half: usize,
}

impl Rope {
    /// From the base, stretched by the file's factors, by linear scaling or by YaRN.
    pub fn new(rotary: &Rotary, file: &GgufFile) -> Result<Self> {
        let half = rotary.dim / 2;
        let factors = match rotary.factors.filter(|name| file.has_tensor(name)) {
            Some(name) => weights::vector(file, name, half)?,
            None => vec![1.0; half],
        };
        let (low, high) = rotary.yarn.map_or((0.0, 0.0), |y| reach(rotary, &y));
        let frequency = |(i, factor): (usize, &f32)| {
            let exponent = 2.0 * i as f64 / rotary.dim as f64;
            let own = f64::from(rotary.base).powf(-exponent) / f64::from(*factor);
            let scaled = own / f64::from(rotary.scale);
            if is_still(&rotary.sections, i) {
                return 0.0;
            }
            match rotary.yarn {
                None => scaled as f32,
                Some(yarn) => {
                    let along = (i as f64 - low) / (high - low).max(0.001);
                    let keeps = (1.0 - along.clamp(0.0, 1.0)) * f64::from(yarn.share);
                    (scaled * (1.0 - keeps) + own * keeps) as f32
                }
            }
        };
        Ok(Rope {
            frequencies: factors.iter().enumerate().map(frequency).collect(),
            magnitude: rotary.magnitude,
        })
    }

    /// What a position is multiplied by to give a pair's angle, `[rotary dimensions / 2]`.
    pub fn frequencies(&self) -> &[f32] {
        &self.frequencies
    }

    pub fn magnitude(&self) -> f32 {
        self.magnitude
    }

    /// Angles of `rows` positions from `start` on.
    pub fn angles(&self, start: usize, rows: usize) -> Angles {
        let half = self.frequencies.len();
        let mut cos = Vec::with_capacity(rows * half);
        let mut sin = Vec::with_capacity(rows * half);
        for position in start..start + rows {
            for &f in &self.frequencies {
                // The product in f32, as the models were trained and the references computed.
                let angle = f64::from(position as f32 * f);
                cos.push(angle.cos() as f32 * self.magnitude);
                sin.push(angle.sin() as f32 * self.magnitude);
            }
        }
        Angles { cos, sin, half }
    }
}

/// Between which pairs YaRN mixes: those that turn `fast` and `slow` times within the context.
fn reach(rotary: &Rotary, yarn: &Yarn) -> (f64, f64) {
    let pair = |turns: f32| {
        let lengths = yarn.context as f64 / (f64::from(turns) * std::f64::consts::TAU);
        rotary.dim as f64 * lengths.ln() / (2.0 * f64::from(rotary.base).ln())
    };
    let low = pair(yarn.fast).floor().max(0.0);
    let high = pair(yarn.slow).ceil().min(rotary.dim as f64 - 1.0);
    (low, high)
}

/// A file may say anything.
fn sum(sizes: &[usize]) -> usize {
    sizes.iter().fold(0, |sum, n| sum.saturating_add(*n))
}

/// Whether a pair is told a place that text does not have.
fn is_still(sections: &Sections, pair: usize) -> bool {
    match sections {
        Sections::None => false,
        Sections::InTurn(sections) => {
            let [told, all] = [3, 4].map(|n| sum(&sections[..n]));
            pair % all.max(1) >= told
        }
        Sections::Interleaved(sections) => {
            let place = pair % sum(sections).max(1);
            place >= sections[place % 3].saturating_mul(3)
        }
    }
}

impl Angles {
    /// The angles of `rows` rows from `start` on.
    pub fn rows(&self, start: usize, rows: usize) -> (&[f32], &[f32]) {
        let range = start * self.half..(start + rows) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}
