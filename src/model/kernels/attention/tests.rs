//! The kernels against the plain version, over ragged layers.

mod pairs;
mod sinks;

use super::*;
use crate::cache::Head;
use half::f16;

/// Reproducible numbers in −1..1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }

    fn layer<T: KvElement>(&mut self, dim: usize, lens: &[usize]) -> HostLayer<T> {
        let heads = lens.iter().map(|&len| {
            let mut head = Head::new(dim);
            for e in 0..len {
                head.append(e as u32, &self.vec(dim), &self.vec(dim));
            }
            head
        });
        HostLayer {
            heads: heads.collect(),
        }
    }
}

/// The largest difference, relative to the largest value.
fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    let off = |(x, y): (&f32, &f32)| {
        if x.is_finite() {
            (x - y).abs()
        } else {
            f32::INFINITY
        }
    };
    a.iter().zip(b).map(off).fold(0.0, f32::max) / scale
}

fn check<T: KvElement>(dim: usize, group: usize, rows: usize, lens: &[usize], threads: usize) {
    let mut noise = Noise((dim * 31 + group * 7 + rows) as u64);
    let layer = noise.layer::<T>(dim, lens);
    let heads = group * lens.len();
    let q: Vec<f32> = noise
        .vec(rows * heads * dim)
        .iter()
        .map(|x| x * 4.0)
        .collect();
    let scale = 1.0 / (dim as f32).sqrt();
    let queries = Queries::last(&q, rows, heads, scale);
    check_queries(&layer, &queries, threads);
}

/// Bit for bit, with the entries of the rows behind it there or not yet there.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn rows_one_by_one_are_what_each_is_alone() {
    let mut noise = Noise(9);
    let (dim, group, rows) = (64, 7, 9);
    for lens in [[2900, 60, 131], [3000, 72, 68], [200, 70, 64]] {
        let layer = noise.layer::<f16>(dim, &lens);
        let heads = group * lens.len();
        let q = noise.vec(rows * heads * dim);
        for window in [None, Some(50), Some(64)] {
            let pool = Pool::new(2);
            for level in Level::available() {
                let span = Span { behind: 0, window };
                let queries = Queries {
                    span,
                    ..Queries::last(&q, rows, heads, 0.5)
                };
                let mut found = vec![f32::NAN; q.len()];
                attend_one_by_one_with(level, &pool, &layer, &queries, &mut found);
                let width = heads * dim;
                for (row, found) in found.chunks(width).enumerate() {
                    let mut then = layer.clone();
                    for head in &mut then.heads {
                        head.truncate(head.len() - (rows - 1 - row));
                    }
                    let queries = Queries {
                        span,
                        ..Queries::last(&q[row * width..][..width], 1, heads, 0.5)
                    };
                    let mut alone = vec![f32::NAN; width];
                    attend_one_by_one_with(level, &pool, &then, &queries, &mut alone);
                    assert!(found == alone, "{level:?} {lens:?} {window:?} row {row}");
                }
            }
        }
    }
}

/// A sliding window, a soft cap and entries behind the rows, each alone and together.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn windows_caps_and_spans_equal_the_plain_version() {
    let mut noise = Noise(5);
    for (rows, lens) in [
        (1, [300, 64, 65]),
        (5, [70, 200, 131]),
        (130, [400, 130, 257]),
    ] {
        let (dim, heads) = (64, 6);
        let layer = noise.layer::<f16>(dim, &lens.map(|n| n + 7));
        let q: Vec<f32> = noise
            .vec(rows * heads * dim)
            .iter()
            .map(|x| x * 4.0)
            .collect();
        for window in [None, Some(1), Some(40), Some(64), Some(1000)] {
            for (soft_cap, behind) in [(None, 0), (Some(2.0), 0), (None, 7), (Some(5.0), 3)] {
                let queries = Queries {
                    soft_cap,
                    span: Span { behind, window },
                    ..Queries::last(&q, rows, heads, 0.125)
                };
                check_queries(&layer, &queries, 3);
            }
        }
    }
}

fn check_queries<T: KvElement>(layer: &HostLayer<T>, queries: &Queries, threads: usize) {
    let pool = Pool::new(threads);
    let mut right = vec![0.0; queries.q.len()];
    plain::attend(layer, queries, &mut right);
    let scores = plain::window_scores(layer, queries);
    let lens: Vec<usize> = layer.heads.iter().map(Head::len).collect();
    let dim = layer.heads[0].head_dim();
    for level in Level::available() {
        let Queries {
            rows,
            heads,
            soft_cap,
            span,
            ..
        } = *queries;
        let what = format!(
            "{level:?} {} dim {dim} heads {heads} rows {rows} {lens:?} {soft_cap:?} {span:?}",
            T::NAME
        );
        let mut out = vec![f32::NAN; queries.q.len()];
        attend_with(level, &pool, layer, queries, &mut out);
        let (worst, most) = (worst(&out, &right), bound::<T>(level, layer, queries));
        assert!(worst < most, "{what}: {worst} of {most}");
        let fast = window_scores_with(level, &pool, layer, queries);
        for (fast, right) in fast.iter().zip(&scores) {
            let off = |a: &[f32], b: &[f32]| {
                assert_eq!(a.len(), b.len(), "{what}");
                a.iter()
                    .zip(b)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max)
            };
            let off = off(&fast.mean, &right.mean).max(off(&fast.peak, &right.peak));
            assert!(off < 1e-6, "{what}: scores are {off:e} off");
        }
    }
}

/// What the kernels may be off, as [`worst`] has it. In pairs of 16 bits every number of a query and
/// of a key is rounded to 1/32767 of its length; the errors, of 1/√12 each and random, add up to
/// |q|·|k|/32767·√(2/12) in a score, and six times that is the most we should ever see. As much is a
/// weight off, relatively, and a result at most twice that. Values are rounded to a 4,096th of their
/// entry's greatest at worst, and weights to a 4,096th of their page's greatest.
fn bound<T: KvElement>(level: Level, layer: &HostLayer<T>, queries: &Queries) -> f32 {
    let way = Way::of::<T>(level);
    if way == Way::Floats {
        return 1e-5;
    }
    let longest = |x: &[f32]| {
        let dim = layer.heads[0].head_dim();
        let squares = x.chunks(dim).map(|x| x.iter().map(|x| x * x).sum::<f32>());
        squares.fold(0.0, f32::max).sqrt()
    };
    let keys = layer.heads.iter().map(|head| longest(&head.keys()));
    let score = longest(queries.q) * keys.fold(0.0, f32::max) * queries.scale;
    // In tiles, products of the lower halves are left out: at most 2⁻¹⁶ of a score. Values and weights are
    // rounded to 8 bits.
    let narrow = if way == Way::Tiles { 512.0 } else { 4096.0 };
    2.0 * 6.0 * score / 32_767.0 / 6f32.sqrt() + 2.0 / narrow
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn ragged_heads_equal_the_plain_version() {
    for dim in [64, 80, 96, 128, 256, 8, 72, 5] {
        for (group, rows) in [(1, 1), (3, 1), (7, 1), (4, 2), (3, 33), (1, 33), (7, 33)] {
            for threads in [1, 5] {
                check::<f16>(dim, group, rows, &[rows, rows + 63, 300], threads);
                check::<f32>(dim, group, rows, &[rows + 64, rows + 65, rows], threads);
            }
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn page_edges_equal_the_plain_version() {
    for rows in [1, 2, 5] {
        for lens in [[63, 64, 65], [127, 128, 129], [5, 1000, 6], [191, 20, 192]] {
            for group in [1, 3, 6] {
                check::<f16>(64, group, rows, &lens, 4);
                check::<f32>(64, group, rows, &lens, 2);
            }
        }
    }
}

/// So few numbers that a checker of memory gets through them (`.ci/run miri`).
#[test]
fn small_layers_equal_the_plain_version() {
    for (dim, group, rows, lens) in [(8, 2, 1, [3, 66]), (5, 1, 3, [3, 65]), (4, 1, 17, [17, 20])] {
        check::<f16>(dim, group, rows, &lens, 2);
        check::<f32>(dim, group, rows, &lens, 1);
    }
}

/// Too long for the window's products to be kept between the passes.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_long_past_equals_the_plain_version() {
    check::<f16>(8, 7, 33, &[6000, 40], 2);
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn prefill_equals_the_plain_version() {
    for (dim, group) in [(64, 3), (128, 1), (64, 7), (80, 2), (256, 1)] {
        check::<f16>(dim, group, 200, &[200, 263], 2);
        check::<f32>(dim, group, 200, &[200, 460], 3);
    }
}

/// The exact mode's promise, against f64.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn f32_entries_equal_double_precision() {
    let (dim, rows, len, group) = (64, 40, 500, 3);
    let mut noise = Noise(3);
    let layer = noise.layer::<f32>(dim, &[len]);
    let q: Vec<f32> = noise
        .vec(rows * group * dim)
        .iter()
        .map(|x| x * 8.0)
        .collect();
    let mut out = vec![0.0; q.len()];
    let queries = Queries::last(&q, rows, group, 0.125);
    attend(&Pool::new(2), &layer, &queries, &mut out);
    let pages = layer.heads[0].pages();
    let mut right = Vec::new();
    for (i, q) in q.chunks(dim).enumerate() {
        let seen = len + 1 + i / group - rows;
        let dot = |e: usize| -> f64 {
            let key = |d: usize| pages[e / 64].keys()[d * 64 + e % 64];
            let dots = q
                .iter()
                .enumerate()
                .map(|(d, x)| f64::from(*x) * f64::from(key(d)));
            dots.sum::<f64>() / 8.0
        };
        let weights: Vec<f64> = (0..seen).map(|e| dot(e).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for d in 0..dim {
            let value = |e: usize| f64::from(pages[e / 64].values()[e % 64 * dim + d]);
            let x: f64 = weights.iter().enumerate().map(|(e, w)| w * value(e)).sum();
            right.push((x / sum) as f32);
        }
    }
    assert!(worst(&out, &right) < 1e-5, "{}", worst(&out, &right));
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn extreme_scores_stay_finite() {
    let (dim, len) = (64, 200);
    for rows in [1, 40] {
        for case in 0..4 {
            let mut head = Head::<f32>::new(dim);
            for e in 0..len {
                let size = match case {
                    0 => [1e4, -1e4][e % 2],
                    1 => 1.0,
                    2 if e == 70 => 1e4,
                    2 => -1e4,
                    _ => -1e4 + e as f32 * 100.0,
                };
                let mut key = vec![0.0; dim];
                key[0] = size;
                head.append(e as u32, &key, &vec![e as f32 / 100.0; dim]);
            }
            let layer = HostLayer { heads: vec![head] };
            let mut q = vec![0.0; rows * dim];
            q.iter_mut().step_by(dim).for_each(|x| *x = 1.0);
            let mut right = vec![0.0; q.len()];
            let queries = Queries::last(&q, rows, 1, 1.0);
            plain::attend(&layer, &queries, &mut right);
            for level in Level::available() {
                let mut out = vec![f32::NAN; q.len()];
                attend_with(level, &Pool::new(2), &layer, &queries, &mut out);
                assert!(
                    worst(&out, &right) < 1e-5,
                    "{level:?} case {case} rows {rows}"
                );
            }
        }
    }
}

#[test]
fn nothing_to_do_is_done() {
    let pool = Pool::new(2);
    let none = HostLayer::<f16> { heads: Vec::new() };
    let nothing = Queries::last(&[], 0, 0, 1.0);
    attend(&pool, &none, &nothing, &mut []);
    assert!(window_scores(&pool, &none, &nothing).is_empty());
}

/// Bit for bit: by what an archive gives back, a row must not know what was read with it.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_row_is_the_same_whatever_is_read_with_it_and_on_however_many_threads() {
    let (dim, heads, len) = (64, 6, 700);
    let mut noise = Noise(77);
    let layer = noise.layer::<f16>(dim, &[len, len + 90]);
    let q = noise.vec(len * heads * dim);
    let read = |level: Level, window: Option<usize>, rows: usize, threads: usize| {
        let q = &q[(len - rows) * heads * dim..];
        let span = Span { behind: 0, window };
        let queries = Queries {
            span,
            ..Queries::last(q, rows, heads, 0.125)
        };
        let mut out = vec![f32::NAN; q.len()];
        attend_with(level, &Pool::new(threads), &layer, &queries, &mut out);
        out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    for level in Level::available() {
        for window in [None, Some(40), Some(300)] {
            let all = read(level, window, len, 1);
            let threads: &[usize] = match window {
                None => &[1, 2, 5],
                Some(_) => &[2],
            };
            for rows in [1, 7, 40, 300, len] {
                for &threads in threads {
                    let found = read(level, window, rows, threads);
                    let expected = &all[(len - rows) * heads * dim..];
                    let what = format!("{level:?} {window:?}, {rows} rows on {threads}");
                    assert!(found == expected, "{what}");
                }
            }
        }
    }
}
