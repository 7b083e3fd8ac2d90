//! How entries of heads with different lengths lie in one run of rows.

/// `(head, index)` of each row: the entries furthest from their head's end first, and of each step
/// the heads in order. So the newest entry of every head is in the last rows, whatever the lengths;
/// a token that is appended goes behind as one run of rows, and is dropped as one.
pub fn rows(lens: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let longest = lens.iter().copied().max().unwrap_or(0);
    (1..=longest).rev().flat_map(move |from_end| {
        let heads = lens.iter().enumerate();
        let held = heads.filter(move |(_, len)| **len >= from_end);
        held.map(move |(head, len)| (head, len - from_end))
    })
}

/// The rows of each head's entries.
pub fn of_heads(lens: &[usize]) -> Vec<Vec<u32>> {
    let mut of: Vec<Vec<u32>> = lens.iter().map(|&len| Vec::with_capacity(len)).collect();
    for (row, (head, _)) in rows(lens).enumerate() {
        of[head].push(row as u32);
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_together_and_each_head_is_in_order() {
        let lens = [3, 0, 1, 2];
        let order: Vec<_> = rows(&lens).collect();
        assert_eq!(order, [(0, 0), (0, 1), (3, 0), (0, 2), (2, 0), (3, 1)]);
        assert_eq!(
            of_heads(&lens),
            [vec![0, 1, 3], vec![], vec![4], vec![2, 5]]
        );
    }
}
