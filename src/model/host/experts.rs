//! Experts on the CPU: what is chosen is read, and nothing else.

use super::rows::Rows;
use super::weight::{Linear, Weight, together};
use crate::model::error::Result;
use crate::model::experts::{Product, Router, Routing};
use crate::model::gguf::GgufFile;
use crate::model::kernels::{ops, pool::Pool};
use crate::model::shape::{ExpertsShape, Gate};

pub struct Experts {
    router: Router,
    gate: Gate,
    /// Gate over up, and down, of each.
    gate_up: Vec<Linear>,
    down: Vec<Linear>,
}

impl Experts {
    pub fn load(
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        hidden: usize,
        exact: bool,
    ) -> Result<Experts> {
        let each = |product: Product| -> Result<Vec<Linear>> {
            let all = 0..e.count;
            let linears = all.map(|expert| linear(file, &product, expert, exact));
            let linears = linears.collect::<Result<_>>()?;
            product.give_back(file);
            Ok(linears)
        };
        Ok(Experts {
            router: Router::load(file, block, e, hidden)?,
            gate: e.gate,
            gate_up: each(Product::gate_up(file, block, e, hidden)?)?,
            down: each(Product::down(file, block, e, hidden)?)?,
        })
    }

    /// What the experts that each row of `by` chooses say to that of `x`, weighed and added up in the
    /// order in which they were chosen.
    pub fn forward(&self, pool: &Pool, x: &Rows, by: &Rows) -> Result<Rows> {
        let hidden = x.width();
        let mut logits = vec![0.0; x.rows * self.gate_up.len()];
        ops::small_matmul(pool, &by.data, &self.router.weight, hidden, &mut logits);
        let routing = self.router.route(logits);
        let order = routing.order();
        let runs = routing.runs(&order);
        let precision = x.precision;
        let through = |linears: &[Linear], x: &[f32]| {
            let runs: Vec<_> = runs.iter().map(|&(e, rows)| (&linears[e], rows)).collect();
            together(pool, &runs, x, precision)
        };
        let mut gathered = Vec::with_capacity(order.len() * hidden);
        for slot in &order {
            let row = slot / routing.used * hidden;
            gathered.extend_from_slice(&x.data[row..row + hidden]);
        }
        let h = through(&self.gate_up, &gathered);
        let width = h.len() / 2 / order.len().max(1);
        let h = ops::gated(pool, self.gate, &h, width);
        let y = through(&self.down, &h);
        let mut data = vec![0.0; x.data.len()];
        let places = Routing::places(&order);
        ops::weighted_sums(pool, &y, &places, &routing.weights, hidden, &mut data);
        Ok(Rows { data, ..*x })
    }
}

fn linear(file: &GgufFile, product: &Product, expert: usize, exact: bool) -> Result<Linear> {
    let matrices = product.matrices(file, expert)?;
    Ok(Linear {
        weight: Weight::of(&matrices, product.inputs, exact)?,
        scales: product.scales(expert),
        bias: product.biases(expert),
    })
}
