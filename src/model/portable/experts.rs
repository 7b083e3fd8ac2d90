//! Experts on a device: the host chooses, and each expert is a product of the rows that go to it.

use candle_core::{DType, Device, Tensor};

use super::gate::gated;
use super::linear::{Linear, Precision};
use crate::device::ops;
use crate::model::error::Result;
use crate::model::experts::{Product, Router, Routing};
use crate::model::gguf::GgufFile;
use crate::model::shape::{ExpertsShape, Gate};

pub struct Experts {
    router: Router,
    /// `[hidden, count]` in f32.
    weight: Tensor,
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
        device: &Device,
        precision: Precision,
    ) -> Result<Experts> {
        let each = |product: Product| -> Result<Vec<Linear>> {
            let load = |expert| linear(file, &product, expert, device, precision);
            (0..e.count).map(load).collect()
        };
        let router = Router::load(file, block, e, hidden)?;
        let weight = ops::upload(&router.weight, (e.count, hidden), device)?;
        Ok(Experts {
            router,
            weight: weight.t()?.contiguous()?,
            gate: e.gate,
            gate_up: each(Product::gate_up(file, block, e, hidden)?)?,
            down: each(Product::down(file, block, e, hidden)?)?,
        })
    }

    /// What the experts that each row of `by` chooses say to that of `x`, weighed and added up.
    pub fn forward(&self, x: &Tensor, by: &Tensor) -> Result<Tensor> {
        let (rows, hidden) = x.dims2()?;
        let logits = ops::matmul(&ops::cast(by, DType::F32)?, &self.weight)?;
        let routing = self.router.route(ops::read(&logits)?);
        let used = routing.used;
        let order = routing.order();
        let gathered = match rows {
            1 => None,
            _ => Some(select(x, order.iter().map(|slot| slot / used))?),
        };
        let mut said = Vec::new();
        let mut start = 0;
        for (expert, n) in routing.runs(&order) {
            let x = match &gathered {
                Some(all) => all.narrow(0, start, n)?,
                None => x.clone(),
            };
            let h = gated(self.gate, &self.gate_up[expert].forward(&x)?)?;
            said.push(self.down[expert].forward(&h)?);
            start += n;
        }
        let said = select(&ops::cat(&said, 0)?, Routing::places(&order).into_iter())?;
        let weights = ops::upload(&routing.weights, (rows, 1, used), x.device())?;
        let weights = ops::cast(&weights, said.dtype())?;
        let sum = ops::matmul(&weights, &said.reshape((rows, used, hidden))?)?;
        Ok(sum.reshape((rows, hidden))?)
    }
}

fn select(x: &Tensor, rows: impl Iterator<Item = usize>) -> Result<Tensor> {
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    let rows = ops::upload(&rows, rows.len(), x.device())?;
    Ok(ops::select(&ops::contiguous(x)?, &rows)?)
}

fn linear(
    file: &GgufFile,
    product: &Product,
    expert: usize,
    device: &Device,
    precision: Precision,
) -> Result<Linear> {
    let matrices = product.matrices(file, expert)?;
    let (scales, biases) = (product.scales(expert), product.biases(expert));
    Ok(Linear::of(
        &matrices,
        product.inputs,
        (&scales, &biases),
        device,
        precision,
    )?)
}
