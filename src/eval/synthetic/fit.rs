//! The largest size whose text fits.

/// What `make` makes of the largest size for which `count` says at most `room`; `None` where even the
/// smallest is too large.
pub fn longest<T, E>(
    room: usize,
    make: impl Fn(usize) -> T,
    count: impl Fn(&T) -> Result<usize, E>,
) -> Result<Option<T>, E> {
    let mut best = make(1);
    if count(&best)? > room {
        return Ok(None);
    }
    let (mut fits, mut over) = (1, 2);
    // Doubles up to what is too large, then halves between.
    loop {
        let made = make(over);
        if count(&made)? > room {
            break;
        }
        (best, fits) = (made, over);
        if over > room {
            return Ok(Some(best));
        }
        over *= 2;
    }
    while over - fits > 1 {
        let middle = fits + (over - fits) / 2;
        let made = make(middle);
        match count(&made)? > room {
            true => over = middle,
            false => (best, fits) = (made, middle),
        }
    }
    Ok(Some(best))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits_is_found() {
        let count = |made: &usize| Ok::<_, ()>(made * 7 + 20);
        for room in [26, 27, 34, 100, 1000] {
            let found = longest(room, |n| n, count).unwrap();
            assert_eq!(found, (room >= 27).then(|| (room - 20) / 7), "{room}");
        }
        assert_eq!(longest(10, |n| n, |_| Ok::<_, ()>(1)).unwrap(), Some(16));
    }
}
