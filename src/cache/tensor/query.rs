//! Rows of an observation window on a device, in as few pieces as they came in.

use candle_core::{Result, Tensor};

use crate::device::ops;

/// A row of an observation window: row `row` of queries that came together.
#[derive(Clone, Debug)]
pub struct Query {
    /// `[rows, heads × head_dim]`
    pub block: Tensor,
    pub row: usize,
}

impl Query {
    /// Each row of `block`.
    pub fn each(block: &Tensor) -> impl Iterator<Item = Query> {
        let rows = block.dims()[0];
        (0..rows).map(|row| Query {
            block: block.clone(),
            row,
        })
    }

    /// The rows as one tensor, `[rows, heads × head_dim]`: neighbours in a block are one piece.
    pub fn stacked<'a>(queries: impl Iterator<Item = &'a Query>) -> Result<Tensor> {
        let mut runs: Vec<(&Tensor, usize, usize)> = Vec::new();
        for query in queries {
            match runs.last_mut() {
                Some((block, first, rows))
                    if block.id() == query.block.id() && *first + *rows == query.row =>
                {
                    *rows += 1;
                }
                _ => runs.push((&query.block, query.row, 1)),
            }
        }
        let runs = runs
            .iter()
            .map(|(block, first, rows)| block.narrow(0, *first, *rows));
        ops::cat(&runs.collect::<Result<Vec<_>>>()?, 0)
    }
}
