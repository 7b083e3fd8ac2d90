//! Experts on both backends against double precision.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};

use super::*;
use crate::model::host::{Host, Rows};
use crate::model::kernels::packed::Precision;
use crate::model::portable::Portable;
use crate::model::shape::{Gate, Gating};
use crate::testing::random::Random;

const HIDDEN: usize = 64;
const WIDTH: usize = 32;

/// What a file has beside the weights.
#[derive(Clone, Copy, Default)]
struct Extras {
    /// Gate and up are one tensor.
    merged: bool,
    biases: bool,
    scales: bool,
    /// Experts are preferred beside their weights.
    preference: bool,
    /// The shared MLP is opened by a gate.
    opened: bool,
}

fn shape() -> ExpertsShape {
    ExpertsShape {
        count: 6,
        used: 3,
        feed_forward: WIDTH,
        gate: Gate::Silu,
        gating: Gating::Softmax,
        renormalise: true,
        scale: 1.0,
        scaled: true,
        shared: None,
        beside: false,
    }
}

/// A file of one block, and what its tensors come to.
struct Model {
    e: ExpertsShape,
    file: GgufFile,
    values: HashMap<String, Vec<f32>>,
    _directory: tempfile::TempDir,
}

impl Model {
    fn new(e: ExpertsShape, extras: Extras, quant: GgmlDType) -> Model {
        let mut random = Random::new(17);
        let (mut values, mut tensors) = (HashMap::new(), Vec::new());
        let mut put = |name: &str, dims: &[usize], mean: f32, gain: f32| {
            let data: Vec<f32> = (0..dims.iter().product())
                .map(|_| mean + gain * random.normal())
                .collect();
            let tensor = Tensor::from_vec(data, dims, &Device::Cpu).unwrap();
            let quantised = name.contains("exp") && name.ends_with("weight");
            let dtype = if quantised { quant } else { GgmlDType::F32 };
            let tensor = QTensor::quantize(&tensor, dtype).unwrap();
            let back = tensor.dequantize(&Device::Cpu).unwrap();
            values.insert(
                name.to_owned(),
                back.flatten_all().unwrap().to_vec1().unwrap(),
            );
            tensors.push((format!("blk.3.{name}"), tensor));
        };
        put("ffn_gate_inp.weight", &[e.count, HIDDEN], 0.0, 0.3);
        if extras.preference {
            put("exp_probs_b.bias", &[e.count], 0.0, 0.5);
        }
        let mut parts = match extras.merged {
            true => vec![("gate_up", 2 * WIDTH, HIDDEN)],
            false => vec![("gate", WIDTH, HIDDEN), ("up", WIDTH, HIDDEN)],
        };
        parts.push(("down", HIDDEN, WIDTH));
        for (part, outputs, inputs) in parts {
            let dims = [e.count, outputs, inputs];
            put(&format!("ffn_{part}_exps.weight"), &dims, 0.0, 0.3);
            if extras.biases {
                put(&format!("ffn_{part}_exps.bias"), &dims[..2], 0.0, 1.0);
            }
            if extras.scales {
                let of = if extras.merged && part != "down" {
                    "up"
                } else {
                    part
                };
                put(&format!("ffn_{of}_exps.scale"), &dims[..1], 1.0, 0.2);
            }
        }
        if extras.biases {
            put("ffn_gate_inp.bias", &[e.count], 0.0, 1.0);
        }
        if let Some(width) = e.shared {
            put("ffn_gate_shexp.weight", &[width, HIDDEN], 0.0, 0.2);
            put("ffn_up_shexp.weight", &[width, HIDDEN], 0.0, 0.2);
            put("ffn_down_shexp.weight", &[HIDDEN, width], 0.0, 0.2);
            if extras.opened {
                put("ffn_gate_inp_shexp.weight", &[HIDDEN], 0.0, 0.2);
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("experts.gguf");
        let architecture = Value::String("experts".into());
        let metadata = [("general.architecture", &architecture)];
        let tensors: Vec<_> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let mut file = std::fs::File::create(&path).unwrap();
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
        Model {
            e,
            file: GgufFile::open(&path).unwrap(),
            values,
            _directory: directory,
        }
    }

    fn load<B: Backend>(&self, b: &B) -> Mlp<B> {
        Mlp::experts(b, &self.file, "blk.3", &self.e, HIDDEN).unwrap()
    }

    fn get(&self, name: &str) -> Option<&[f32]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// Outputs of matrix `index` of a tensor with its scale and bias.
    fn product(&self, part: &str, index: usize, outputs: usize, x: &[f64]) -> Vec<f64> {
        let matrix = &self.get(&format!("ffn_{part}.weight")).unwrap()[index * outputs * x.len()..];
        let scaled = part.replace("gate_up", "up");
        let scale = self.get(&format!("ffn_{scaled}.scale"));
        let scale = scale.filter(|_| self.e.scaled);
        let scale = scale.map_or(1.0, |s| f64::from(s[index]));
        let bias = self.get(&format!("ffn_{part}.bias"));
        let rows = matrix.chunks(x.len()).take(outputs).enumerate();
        rows.map(|(o, row)| {
            let dot: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
            dot * scale + bias.map_or(0.0, |b| f64::from(b[index * outputs + o]))
        })
        .collect()
    }

    fn mlp(&self, kind: &str, index: usize, width: usize, x: &[f64]) -> Vec<f64> {
        let (gate, up) = match self.get(&format!("ffn_gate_up_{kind}.weight")) {
            Some(_) => {
                let mut both = self.product(&format!("gate_up_{kind}"), index, 2 * width, x);
                let up = both.split_off(width);
                (both, up)
            }
            None => (
                self.product(&format!("gate_{kind}"), index, width, x),
                self.product(&format!("up_{kind}"), index, width, x),
            ),
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let h = gate.iter().zip(&up).map(|(&g, &u)| match self.e.gate {
            Gate::Silu => g * sigmoid(g) * u,
            Gate::Gelu => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                0.5 * g * (1.0 + inner.tanh()) * u
            }
            Gate::Clamped => {
                let g = g.min(7.0);
                g * sigmoid(1.702 * g) * (u.clamp(-7.0, 7.0) + 1.0)
            }
        });
        self.product(
            &format!("down_{kind}"),
            index,
            HIDDEN,
            &h.collect::<Vec<_>>(),
        )
    }

    /// One row by llama.cpp's rules.
    fn expected(&self, x: &[f32]) -> Vec<f64> {
        let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        let router = self.get("ffn_gate_inp.weight").unwrap().chunks(HIDDEN);
        let mut logits: Vec<f64> = router
            .map(|row| row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum())
            .collect();
        if let Some(bias) = self.get("ffn_gate_inp.bias") {
            logits
                .iter_mut()
                .zip(bias)
                .for_each(|(x, b)| *x += f64::from(*b));
        }
        let softmax = |x: &[f64]| -> Vec<f64> {
            let sum: f64 = x.iter().map(|x| x.exp()).sum();
            x.iter().map(|x| x.exp() / sum).collect()
        };
        let all = match self.e.gating {
            Gating::Softmax => softmax(&logits),
            Gating::SoftmaxOfChosen => logits.clone(),
            Gating::Sigmoid => logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        };
        let preference = self.get("exp_probs_b.bias").map(<[f32]>::to_vec);
        let preference = preference.unwrap_or(vec![0.0; all.len()]);
        let mut order: Vec<usize> = (0..all.len()).collect();
        let by = |i: &usize| -(all[*i] + f64::from(preference[*i]));
        order.sort_by(|a, b| by(a).total_cmp(&by(b)));
        order.truncate(self.e.used);
        let mut weights: Vec<f64> = order.iter().map(|&i| all[i]).collect();
        if self.e.gating == Gating::SoftmaxOfChosen {
            weights = softmax(&weights);
        }
        if self.e.renormalise {
            let sum: f64 = weights.iter().sum();
            weights
                .iter_mut()
                .for_each(|w| *w /= sum.max(6.103515625e-5));
        }
        let mut out = vec![0.0; HIDDEN];
        let mut add = |y: Vec<f64>, weight: f64| {
            out.iter_mut()
                .zip(y)
                .for_each(|(out, y)| *out += weight * y);
        };
        for (&i, weight) in order.iter().zip(&weights) {
            add(
                self.mlp("exps", i, WIDTH, &x),
                weight * f64::from(self.e.scale),
            );
        }
        if let Some(width) = self.e.shared {
            let gate = self.get("ffn_gate_inp_shexp.weight");
            let gate = gate.map_or(1.0, |gate| {
                let dot: f64 = gate.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum();
                1.0 / (1.0 + (-dot).exp())
            });
            add(self.mlp("shexp", 0, width, &x), gate);
        }
        out
    }

    /// Both backends on `rows` rows at once. Where they are not `exact`, activations are rounded: by
    /// the kernels as for a short prompt to 16 bits, by candle to 8.
    fn check(&self, rows: usize, exact: bool) {
        let mut random = Random::new(rows as u64);
        let x: Vec<f32> = (0..rows * HIDDEN).map(|_| random.normal()).collect();
        let expected: Vec<f64> = x.chunks(HIDDEN).flat_map(|x| self.expected(x)).collect();
        let most = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let close = |found: Vec<f32>, what: &str, tolerance: f64| {
            assert_eq!(found.len(), expected.len());
            let off = found.iter().zip(&expected);
            let off = off.map(|(f, e)| (f64::from(*f) - e).abs());
            let off = off.fold(0.0, f64::max) / most;
            assert!(off < tolerance, "{what}, {rows} rows: {off}");
        };
        let host = Host::<f32>::new(2, exact);
        let y = self.load(&host);
        let of_host = Rows::new(x.clone(), rows, Precision::Sixteen);
        let y = y.forward(&host, &of_host, &of_host).unwrap();
        let tolerance = if exact { 1e-5 } else { 2e-3 };
        close(host.to_host(y).unwrap(), "host", tolerance);
        let portable = Portable::new(Device::Cpu, exact, DType::F32, DType::F32);
        let x = Tensor::from_slice(&x, (rows, HIDDEN), &Device::Cpu).unwrap();
        let y = self.load(&portable).forward(&portable, &x, &x).unwrap();
        let tolerance = if exact { 1e-5 } else { 0.04 };
        close(portable.to_host(y).unwrap(), "portable", tolerance);
    }
}

fn shapes() -> Vec<(ExpertsShape, Extras)> {
    let none = Extras::default();
    let gpt_oss = ExpertsShape {
        gate: Gate::Clamped,
        gating: Gating::SoftmaxOfChosen,
        renormalise: false,
        scaled: false,
        ..shape()
    };
    let biases = Extras {
        biases: true,
        scales: true,
        ..none
    };
    let deepseek = ExpertsShape {
        gating: Gating::Sigmoid,
        scale: 2.5,
        shared: Some(WIDTH),
        ..shape()
    };
    let qwen2 = ExpertsShape {
        renormalise: false,
        shared: Some(2 * WIDTH),
        ..shape()
    };
    vec![
        (shape(), none),
        (gpt_oss, biases),
        (
            deepseek,
            Extras {
                preference: true,
                scales: true,
                ..none
            },
        ),
        (
            qwen2,
            Extras {
                opened: true,
                ..none
            },
        ),
        (
            ExpertsShape {
                gate: Gate::Gelu,
                used: 1,
                ..shape()
            },
            Extras {
                merged: true,
                scales: true,
                biases: true,
                ..none
            },
        ),
        (ExpertsShape { used: 6, ..shape() }, none),
    ]
}

#[test]
fn experts_equal_double_precision() {
    for (e, extras) in shapes() {
        let model = Model::new(e, extras, GgmlDType::F32);
        for rows in [1, 2, 40] {
            model.check(rows, true);
        }
    }
}

#[test]
fn low_bit_experts_are_near() {
    for (e, extras) in shapes() {
        for quant in [GgmlDType::Q8_0, GgmlDType::Q4_0] {
            let model = Model::new(e, extras, quant);
            for (rows, exact) in [(1, false), (33, false), (33, true)] {
                model.check(rows, exact);
            }
        }
    }
}

/// What a row is told does not depend on the rows beside it.
#[test]
fn rows_together_equal_rows_alone_bit_for_bit() {
    for (e, extras) in shapes() {
        let model = Model::new(e, extras, GgmlDType::Q4_0);
        let host = Host::<f32>::new(2, false);
        let mlp = model.load(&host);
        let mut random = Random::new(3);
        let x: Vec<f32> = (0..150 * HIDDEN).map(|_| random.normal()).collect();
        for precision in [Precision::Eight, Precision::Many] {
            let forward = |x: &[f32]| {
                let x = Rows::new(x.to_vec(), x.len() / HIDDEN, precision);
                mlp.forward(&host, &x, &x).unwrap().data
            };
            let alone: Vec<f32> = x.chunks(HIDDEN).flat_map(forward).collect();
            assert_eq!(alone, forward(&x), "{precision:?}");
        }
    }
}

#[test]
fn tensors_of_another_shape_are_named() {
    let model = Model::new(shape(), Extras::default(), GgmlDType::F32);
    let host = Host::<f32>::new(1, true);
    let load = |e: ExpertsShape| Mlp::experts(&host, &model.file, "blk.3", &e, HIDDEN);
    let error = load(ExpertsShape {
        count: 7,
        ..shape()
    })
    .err()
    .unwrap();
    assert!(error.to_string().contains("ffn_gate_inp"), "{error}");
    let feed_forward = WIDTH / 2;
    let error = load(ExpertsShape {
        feed_forward,
        ..shape()
    })
    .err()
    .unwrap();
    assert!(error.to_string().contains("ffn_gate_exps"), "{error}");
    let shared = Some(WIDTH);
    let error = load(ExpertsShape { shared, ..shape() }).err().unwrap();
    assert!(error.to_string().contains("shexp"), "{error}");
}
