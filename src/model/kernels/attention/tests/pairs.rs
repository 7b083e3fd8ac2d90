//! Attention in pairs of 16 bits, and in tiles: odd sizes, and what it must leave as it was.

use super::*;

/// Head sizes, lengths around a page's, groups, windows, soft caps and sinks.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn odd_sizes_equal_the_plain_version() {
    let dims = [64, 80, 96, 128, 256];
    let lens = [1, 63, 64, 65, 200];
    let mut noise = Noise(21);
    for (i, dim) in dims.into_iter().enumerate() {
        for (j, rows) in lens.into_iter().enumerate() {
            let group = 1 + (3 * i + j) % 8;
            let layer = noise.layer::<f16>(dim, &[rows, rows + 70]);
            let q: Vec<f32> = noise
                .vec(rows * 2 * group * dim)
                .iter()
                .map(|x| x * 4.0)
                .collect();
            let sinks: Vec<f32> = noise.vec(2 * group);
            let plain = Queries::last(&q, rows, 2 * group, 1.0 / (dim as f32).sqrt());
            let window = Some([1, 17, 64, 90, 300][(i + j) % 5]);
            let span = Span { behind: 0, window };
            let windowed = Queries { span, ..plain };
            let sunk = Queries {
                sinks: Some(&sinks),
                soft_cap: (j % 2 == 0).then_some(3.0),
                ..windowed
            };
            for queries in [plain, windowed, sunk] {
                check_queries(&layer, &queries, 1 + j % 3);
            }
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn groups_of_one_to_eight_equal_the_plain_version() {
    for group in 1..=8 {
        check::<f16>(64, group, 65, &[65, 128], 2);
        check::<half::bf16>(80, group, 63, &[64, 200], 1);
    }
}

fn pairs() -> impl Iterator<Item = Level> {
    let narrow = |l: &Level| l.has_pairs() || l.has_tiles();
    Level::available().into_iter().filter(narrow)
}

fn attention<T: KvElement>(
    level: Level,
    threads: usize,
    layer: &HostLayer<T>,
    queries: &Queries,
) -> Vec<f32> {
    let mut out = vec![f32::NAN; queries.q.len()];
    attend_with(level, &Pool::new(threads), layer, queries, &mut out);
    out
}

/// What a row sees decides, bit for bit, and not the rows or entries behind it: blocks may be cut
/// anywhere.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_row_depends_on_nothing_that_it_does_not_see() {
    let (dim, heads, rows, len) = (64, 4, 200, 263);
    let mut noise = Noise(22);
    let whole = noise.layer::<f16>(dim, &[len, len]);
    let q = noise.vec(rows * heads * dim);
    for level in pairs() {
        let all = attention(level, 1, &whole, &Queries::last(&q, rows, heads, 0.125));
        for cut in [1, 5, 16, 17, 50, 100, 199] {
            let mut layer = HostLayer {
                heads: whole.heads.clone(),
            };
            let gone = rows - cut;
            layer.heads.iter_mut().for_each(|h| h.truncate(len - gone));
            let q = &q[..cut * heads * dim];
            let part = attention(level, 1, &layer, &Queries::last(q, cut, heads, 0.125));
            assert_eq!(part, all[..part.len()], "{level:?} {cut}");
        }
    }
}

/// The exact mode, decoding and the observation window's scores.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn what_is_not_for_pairs_is_as_it_was_to_the_bit() {
    let (dim, heads, rows) = (64, 6, 70);
    let mut noise = Noise(23);
    let exact = noise.layer::<f32>(dim, &[300, 90]);
    let half = noise.layer::<f16>(dim, &[300, 90]);
    let q = noise.vec(rows * heads * dim);
    let queries = Queries::last(&q, rows, heads, 0.125);
    let few = Queries::last(&q[..16 * heads * dim], 16, heads, 0.125);
    let levels = Level::available();
    let pool = Pool::new(2);
    for level in pairs() {
        // The set without pairs that it stands beside: it has the same name but for the end.
        let name = match level.has_tiles() {
            true => "Level(Avx512)".into(),
            false => format!("{level:?}"),
        };
        let plain = |l: &Level| !l.has_pairs() && !l.has_tiles();
        let beside =
            |l: &&Level| plain(l) && name.starts_with(format!("{l:?}").trim_end_matches(')'));
        let beside = *levels.iter().rfind(beside).expect("the same set in f32");
        let both = [level, beside];
        let [a, b] = both.map(|level| attention(level, 2, &exact, &queries));
        assert_eq!(a, b, "{level:?} {beside:?}");
        let decoded = |level| {
            let mut out = vec![f32::NAN; few.q.len()];
            attend_one_by_one_with(level, &pool, &half, &few, &mut out);
            out
        };
        let [a, b] = both.map(decoded);
        assert_eq!(a, b, "{level:?} {beside:?}");
        let [a, b] = both.map(|level| window_scores_with(level, &pool, &half, &queries));
        assert_eq!(a, b, "{level:?} {beside:?}");
    }
}

/// Numbers that are none, and such as f16 has no room for, do not get lost.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn what_is_no_number_shows_in_all_rows_that_see_it() {
    // In the first entries that are taken together, and in later ones.
    for (rows, bad) in [(100, 70), (330, 270)] {
        shows_in_all_rows_that_see_it(rows, bad);
    }
}

fn shows_in_all_rows_that_see_it(rows: usize, bad: usize) {
    let dim = 64;
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut noise = Noise(24);
        let mut head = Head::<f16>::new(dim);
        for e in 0..rows {
            let mut value = noise.vec(dim);
            if e == bad {
                value[5] = wrong;
            }
            head.append(e as u32, &noise.vec(dim), &value);
        }
        let layer = HostLayer { heads: vec![head] };
        let q = noise.vec(rows * dim);
        for level in pairs() {
            let out = attention(level, 2, &layer, &Queries::last(&q, rows, 1, 0.125));
            for (r, row) in out.chunks(dim).enumerate().skip(bad) {
                assert!(row.iter().any(|x| !x.is_finite()), "{level:?} row {r}");
            }
        }
    }
}

/// And in no others: those are to the bit what they are where a number stands there.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn what_is_no_number_does_not_reach_rows_that_do_not_see_it() {
    let (dim, rows, bad, window, group) = (64, 150, 70, 40, 2);
    let layer = |wrong: Option<(bool, f32)>| {
        let mut noise = Noise(26);
        let mut head = Head::<f16>::new(dim);
        for e in 0..rows {
            let (mut key, mut value) = (noise.vec(dim), noise.vec(dim));
            if let Some((of_key, x)) = wrong.filter(|_| e == bad) {
                let to = if of_key { &mut key } else { &mut value };
                to[5] = x;
            }
            head.append(e as u32, &key, &value);
        }
        HostLayer { heads: vec![head] }
    };
    let mut noise = Noise(27);
    let q = noise.vec(rows * group * dim);
    for soft_cap in [None, Some(3.0)] {
        let span = Span {
            behind: 0,
            window: Some(window),
        };
        let queries = Queries {
            span,
            soft_cap,
            ..Queries::last(&q, rows, group, 0.125)
        };
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for of_key in [false, true] {
                for level in pairs() {
                    let right = attention(level, 1, &layer(None), &queries);
                    let found = attention(level, 1, &layer(Some((of_key, wrong))), &queries);
                    let each = right.chunks(group * dim).zip(found.chunks(group * dim));
                    for (row, (right, found)) in each.enumerate() {
                        let what = format!("{level:?} {wrong} {of_key} {soft_cap:?} row {row}");
                        match (bad..bad + window).contains(&row) {
                            true => assert!(found.iter().any(|x| !x.is_finite()), "{what}"),
                            false => assert_eq!(right, found, "{what}"),
                        }
                    }
                }
            }
        }
    }
}

/// Entries whose values are a millionth of others' keep their weight: sinks of trained models are such.
#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn weights_of_small_values_count() {
    let (dim, rows) = (64, 150);
    let mut noise = Noise(25);
    let mut head = Head::<f16>::new(dim);
    for e in 0..rows {
        let size = if e % 50 == 0 { 1e-6 } else { 1.0 };
        let value: Vec<f32> = noise.vec(dim).iter().map(|x| x * size).collect();
        // What has little to say is looked at the most.
        let key: Vec<f32> = if e % 50 == 0 {
            vec![1.0; dim]
        } else {
            noise.vec(dim)
        };
        head.append(e as u32, &key, &value);
    }
    let layer = HostLayer { heads: vec![head] };
    let q: Vec<f32> = noise.vec(rows * dim).iter().map(|x| x + 0.5).collect();
    check_queries(&layer, &Queries::last(&q, rows, 1, 0.125), 1);
}
