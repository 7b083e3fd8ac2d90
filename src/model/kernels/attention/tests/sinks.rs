//! Sinks: a term in the softmax's sum that has no value, against double precision.

use super::*;

/// Weights of query head `i` of row `r` over all entries of its head, 0 where it sees nothing.
fn weights(layer: &HostLayer<f32>, queries: &Queries, r: usize, i: usize) -> Vec<f64> {
    let head = &layer.heads[i * layer.heads.len() / queries.heads];
    let dim = head.head_dim();
    let (q, keys) = (
        &queries.q[(r * queries.heads + i) * dim..][..dim],
        head.keys(),
    );
    let seen = head.len() - queries.span.behind - (queries.rows - 1 - r);
    let first = queries.span.window.map_or(0, |w| seen.saturating_sub(w));
    let score = |e: usize| {
        let key = &keys[e * dim..][..dim];
        let dot = q
            .iter()
            .zip(key)
            .map(|(q, k)| f64::from(*q) * f64::from(*k));
        let score = dot.sum::<f64>() * f64::from(queries.scale);
        let cap = queries.soft_cap.map(f64::from);
        cap.map_or(score, |c| c * (score / c).tanh()).exp()
    };
    let sinks = queries.sinks.unwrap_or_default();
    let sink = sinks.get(i).map_or(0.0, |&s| f64::from(s).exp());
    let sum: f64 = sink + (first..seen).map(score).sum::<f64>();
    let visible = |e: &usize| (first..seen).contains(e);
    let weight = |e: usize| visible(&e).then(|| score(e) / sum);
    (0..head.len()).map(|e| weight(e).unwrap_or(0.0)).collect()
}

fn attention(layer: &HostLayer<f32>, queries: &Queries) -> Vec<f32> {
    let mut out = Vec::new();
    for (r, i) in (0..queries.rows).flat_map(|r| (0..queries.heads).map(move |i| (r, i))) {
        let head = &layer.heads[i * layer.heads.len() / queries.heads];
        let (dim, values) = (head.head_dim(), head.values());
        let weights = weights(layer, queries, r, i);
        for d in 0..dim {
            let part = |(e, w): (usize, &f64)| w * f64::from(values[e * dim + d]);
            out.push(weights.iter().enumerate().map(part).sum::<f64>() as f32);
        }
    }
    out
}

/// The mean and the greatest of the weights of all queries that share head `h`.
fn scores(layer: &HostLayer<f32>, queries: &Queries, h: usize) -> (Vec<f32>, Vec<f32>) {
    let group = queries.heads / layer.heads.len();
    let rows = 0..queries.rows;
    let all: Vec<_> = rows
        .flat_map(|r| (h * group..(h + 1) * group).map(move |i| (r, i)))
        .map(|(r, i)| weights(layer, queries, r, i))
        .collect();
    let mean = |e: usize| all.iter().map(|w| w[e]).sum::<f64>() / all.len() as f64;
    let peak = |e: usize| all.iter().map(|w| w[e]).fold(0.0, f64::max);
    let entries = 0..layer.heads[h].len();
    let mean = entries.clone().map(|e| mean(e) as f32).collect();
    (mean, entries.map(|e| peak(e) as f32).collect())
}

fn off(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    off.fold(0.0, f32::max)
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn sinks_equal_double_precision() {
    let mut noise = Noise(11);
    for (dim, group, rows, lens) in [
        (64, 3, 1, vec![300, 64, 1]),
        (64, 2, 1, vec![3000]),
        (20, 4, 5, vec![70, 200]),
        (16, 1, 130, vec![130, 400]),
    ] {
        let layer = noise.layer::<f32>(dim, &lens);
        let heads = group * lens.len();
        let q: Vec<f32> = noise
            .vec(rows * heads * dim)
            .iter()
            .map(|x| x * 4.0)
            .collect();
        // From one that takes nothing to one that takes all.
        let sinks: Vec<f32> = (0..heads)
            .map(|i| [-200.0, -1.0, 0.5, 3.0, 200.0][(i + 1) % 5])
            .collect();
        for (window, soft_cap) in [(None, None), (Some(40), None), (None, Some(2.0))] {
            let queries = Queries {
                soft_cap,
                sinks: Some(&sinks),
                span: Span { behind: 0, window },
                ..Queries::last(&q, rows, heads, 1.0 / (dim as f32).sqrt())
            };
            check_queries(&layer, &queries, 3);
            let mut out = vec![f32::NAN; q.len()];
            attend(&Pool::new(3), &layer, &queries, &mut out);
            let most = off(&out, &attention(&layer, &queries));
            assert!(most < 1e-5, "{rows} rows, {window:?}: {most}");
            let found = window_scores(&Pool::new(3), &layer, &queries);
            for (h, found) in found.iter().enumerate() {
                let (mean, peak) = scores(&layer, &queries, h);
                assert!(off(&found.mean, &mean) < 1e-6, "{rows} rows, {window:?}");
                assert!(off(&found.peak, &peak) < 1e-6, "{rows} rows, {window:?}");
            }
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_sink_that_takes_nothing_changes_no_bit() {
    let mut noise = Noise(12);
    let layer = noise.layer::<f16>(64, &[500, 90]);
    let q = noise.vec(3 * 4 * 64);
    let without = Queries::last(&q, 3, 4, 0.125);
    let sinks = [f32::NEG_INFINITY; 4];
    let with = Queries {
        sinks: Some(&sinks),
        ..without
    };
    let [a, b] = [without, with].map(|queries| {
        let mut out = vec![0.0; q.len()];
        attend(&Pool::new(2), &layer, &queries, &mut out);
        out
    });
    assert_eq!(a, b);
}
