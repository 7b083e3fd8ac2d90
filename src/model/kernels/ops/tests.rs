//! The elementwise kernels against obvious statements.

use super::*;

fn noise(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919 + 13) % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

fn close(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() <= 2e-6 * (1.0 + b.abs())
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn exp_is_exact_to_three_in_ten_million() {
    let mut worst = 0f64;
    for i in -870_000..=870_000 {
        let x = i as f32 * 1e-4;
        let want = f64::from(x).exp();
        worst = worst.max((f64::from(exp(x)) / want - 1.0).abs());
    }
    assert!(worst < 3e-7, "{worst}");
    assert!(exp(f32::NAN).is_nan());
    assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) >= 0.0);
}

#[test]
fn rms_norm_gives_rows_of_unit_mean_square_times_the_weight() {
    let pool = Pool::new(2);
    for (rows, width) in [(1, 576), (3, 21), (70, 576)] {
        let x = noise(rows * width);
        let weight = noise(width);
        let mut out = vec![0.0; rows * width];
        rms_norm(&pool, &x, &weight, 1e-5, &mut out);
        for (x, out) in x.chunks(width).zip(out.chunks(width)) {
            let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            let scale = 1.0 / (squares / width as f64 + 1e-5).sqrt();
            for ((x, w), out) in x.iter().zip(&weight).zip(out) {
                assert!(close(*out, f64::from(*x) * scale * f64::from(*w)));
            }
        }
    }
}

#[test]
fn swiglu_equals_double_precision_and_stays_finite_far_out() {
    let pool = Pool::new(2);
    for (m, n) in [(1, 1536), (2, 5), (40, 1536)] {
        let gate_up: Vec<f32> = noise(2 * m * n).iter().map(|x| x * 12.0).collect();
        let mut out = vec![0.0; m * n];
        swiglu(&pool, &gate_up, n, &mut out);
        for (i, out) in out.iter().enumerate() {
            let row = &gate_up[i / n * 2 * n..];
            let (gate, up) = (f64::from(row[i % n]), f64::from(row[n + i % n]));
            assert!(close(*out, gate * up / (1.0 + (-gate).exp())));
        }
    }
    let mut out = [0.0; 2];
    swiglu(&pool, &[1e4, -1e4, 1.0, 1.0], 2, &mut out);
    assert_eq!(out[0], 1e4);
    assert!(out[1].abs() < 1e-30);
}

#[test]
fn rope_turns_each_pair_by_its_angle_and_leaves_the_rest() {
    let pool = Pool::new(2);
    let (rows, heads, dim) = (90, 4, 64);
    let width = (heads + 2) * dim;
    let angle = |row: usize, i: usize| row as f64 / 10f64.powf(i as f64 / 8.0);
    let table = |f: fn(f64) -> f64| -> Vec<f32> {
        (0..rows * dim / 2)
            .map(|at| f(angle(at / (dim / 2), at % (dim / 2))) as f32)
            .collect()
    };
    let (cos, sin) = (table(f64::cos), table(f64::sin));
    for pairing in [Pairing::Interleaved, Pairing::Halves] {
        let before = noise(rows * width);
        let mut x = before.clone();
        let (cos, sin) = (&cos[..], &sin[..]);
        let turn = Turn {
            cos,
            sin,
            dim,
            pairing,
        };
        rope(&pool, &mut x, heads, dim, turn);
        for row in 0..rows {
            for head in 0..heads + 2 {
                for i in 0..dim / 2 {
                    let at = row * width + head * dim;
                    let (a, b) = match pairing {
                        Pairing::Interleaved => (at + 2 * i, at + 2 * i + 1),
                        Pairing::Halves => (at + i, at + i + dim / 2),
                    };
                    if head >= heads {
                        assert_eq!((x[a], x[b]), (before[a], before[b]));
                        continue;
                    }
                    let (sin, cos) = angle(row, i).sin_cos();
                    let (p, q) = (f64::from(before[a]), f64::from(before[b]));
                    assert!(close(x[a], p * cos - q * sin));
                    assert!(close(x[b], p * sin + q * cos));
                }
            }
        }
    }
}

/// Partial rotary: the first dimensions turn as in a smaller head, the others stay.
#[test]
fn rope_may_turn_a_part_of_each_head() {
    let pool = Pool::new(2);
    let (rows, heads, dim, part) = (3, 2, 16, 6);
    let angles = noise(rows * part / 2);
    let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
    for pairing in [Pairing::Interleaved, Pairing::Halves] {
        let turn = Turn {
            cos: &cos,
            sin: &sin,
            dim: part,
            pairing,
        };
        let before = noise(rows * heads * dim);
        let mut x = before.clone();
        rope(&pool, &mut x, heads, dim, turn);
        let small = |x: &[f32]| -> Vec<f32> {
            let heads = x.chunks_exact(dim);
            heads.flat_map(|h| &h[..part]).copied().collect()
        };
        let mut alone = small(&before);
        rope(&pool, &mut alone, heads, part, turn);
        assert_eq!(small(&x), alone);
        let pairs = x.chunks_exact(dim).zip(before.chunks_exact(dim));
        assert!(pairs.into_iter().all(|(x, b)| x[part..] == b[part..]));
    }
}

#[test]
fn geglu_is_gelu_of_the_gate_times_up() {
    let (m, n) = (3, 17);
    let gate_up: Vec<f32> = noise(2 * m * n).iter().map(|x| x * 6.0).collect();
    let mut out = vec![0.0; m * n];
    geglu(&Pool::new(1), &gate_up, n, &mut out);
    for (i, out) in out.iter().enumerate() {
        let row = &gate_up[i / n * 2 * n..];
        let (x, up) = (f64::from(row[i % n]), f64::from(row[n + i % n]));
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        assert!(close(*out, 0.5 * x * (1.0 + u.tanh()) * up));
    }
}

#[test]
fn add_assign_adds_every_element() {
    let pool = Pool::new(2);
    let y = noise(50_001);
    let mut x = vec![1.0; y.len()];
    add_assign(&pool, &mut x, &y);
    assert!(x.iter().zip(&y).all(|(x, y)| *x == 1.0 + y));
}
