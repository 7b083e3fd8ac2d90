//! A mixture of experts: which rows go to which of them, and the tensors they are made of. The
//! arithmetic is the backends'.

use crate::model::gguf::TensorType;

use super::{
    error::Result,
    gguf::GgufFile,
    shape::{ExpertsShape, Gating},
    weights,
};

/// What the weights of chosen experts add up to at least, where they are divided by it.
const LEAST_SUM: f32 = 6.103_515_6e-5;

/// Chooses experts by their logits, `x · weightᵀ`.
pub struct Router {
    shape: ExpertsShape,
    /// `[count, hidden]`
    pub weight: Vec<f32>,
    /// Of the logits; nothing where there is none.
    bias: Vec<f32>,
    /// Added to what the experts are chosen by, and not to their weights.
    preference: Vec<f32>,
}

impl Router {
    /// Of the block `blk.N`.
    pub fn load(file: &GgufFile, block: &str, e: &ExpertsShape, hidden: usize) -> Result<Router> {
        let name = format!("{block}.ffn_gate_inp.weight");
        file.tensor_info(&name)?;
        let weight = weights::table(file, &name, e.count, hidden)?.unwrap_or_default();
        let vector = |name: &str| {
            let name = format!("{block}.{name}");
            match file.has_tensor(&name) {
                true => weights::vector(file, &name, e.count),
                false => Ok(Vec::new()),
            }
        };
        Ok(Router {
            shape: *e,
            weight,
            bias: vector("ffn_gate_inp.bias")?,
            preference: vector("exp_probs_b.bias")?,
        })
    }

    /// Routes rows by their `logits`, `[rows, count]`, without the bias.
    pub fn route(&self, mut logits: Vec<f32>) -> Routing {
        let used = self.shape.used;
        let mut routing = Routing {
            used,
            experts: Vec::new(),
            weights: Vec::new(),
        };
        for row in logits.chunks_exact_mut(self.shape.count) {
            row.iter_mut().zip(&self.bias).for_each(|(x, b)| *x += b);
            let chosen = self.chosen(row);
            routing.weights.extend(self.weights(row, &chosen));
            routing.experts.extend(chosen);
        }
        routing
    }

    /// The experts with the greatest logits, the greatest first; of equal ones the first. What the
    /// logits become first is monotonous and matters only where there is a preference.
    fn chosen(&self, logits: &[f32]) -> Vec<usize> {
        let mut by = logits.to_vec();
        if !self.preference.is_empty() {
            by = self.probabilities(logits);
            by.iter_mut()
                .zip(&self.preference)
                .for_each(|(x, p)| *x += p);
        }
        let mut order: Vec<usize> = (0..by.len()).collect();
        order.sort_by(|&a, &b| by[b].total_cmp(&by[a]));
        order.truncate(self.shape.used);
        order
    }

    /// What all experts' logits come to before any is chosen.
    fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self.shape.gating {
            Gating::Softmax => softmax(logits),
            Gating::SoftmaxOfChosen => logits.to_vec(),
            Gating::Sigmoid => logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        }
    }

    fn weights(&self, logits: &[f32], chosen: &[usize]) -> Vec<f32> {
        let all = self.probabilities(logits);
        let mut weights: Vec<f32> = chosen.iter().map(|&i| all[i]).collect();
        if self.shape.gating == Gating::SoftmaxOfChosen {
            weights = softmax(&weights);
        }
        if self.shape.renormalise {
            let sum = weights.iter().sum::<f32>().max(LEAST_SUM);
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        if self.shape.scale != 1.0 {
            weights.iter_mut().for_each(|w| *w *= self.shape.scale);
        }
        weights
    }
}

fn softmax(x: &[f32]) -> Vec<f32> {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut x: Vec<f32> = x.iter().map(|x| (x - max).exp()).collect();
    let sum: f32 = x.iter().sum();
    x.iter_mut().for_each(|x| *x /= sum);
    x
}

/// The experts of some rows. A *slot* is one row at one of its experts: row × used + rank.
#[derive(Debug, PartialEq)]
pub struct Routing {
    pub used: usize,
    /// Of each slot its expert.
    pub experts: Vec<usize>,
    /// Of each slot what the expert's output is multiplied by.
    pub weights: Vec<f32>,
}

impl Routing {
    /// The slots in the order of their experts.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.experts.len()).collect();
        order.sort_by_key(|&slot| self.experts[slot]);
        order
    }

    /// The experts that any row goes to, each with the number of its slots, in the order of `order`.
    pub fn runs(&self, order: &[usize]) -> Vec<(usize, usize)> {
        let same = |a: &usize, b: &usize| self.experts[*a] == self.experts[*b];
        let runs = order.chunk_by(same);
        runs.map(|run| (self.experts[run[0]], run.len())).collect()
    }

    /// Of each slot its place in `order`.
    pub fn places(order: &[usize]) -> Vec<usize> {
        let mut places = vec![0; order.len()];
        for (place, &slot) in order.iter().enumerate() {
            places[slot] = place;
        }
        places
    }
}

/// One product of all experts: the tensors `[count, outputs, inputs]` that it stacks, and what its
/// outputs are multiplied by and added to.
pub struct Product {
    count: usize,
    pub inputs: usize,
    parts: Vec<Part>,
}

/// One of its tensors. Scales are written out to all outputs expert by expert, behind its matrix: what
/// a file says of their number is true only where it has that.
struct Part {
    /// Without `.weight`.
    name: String,
    outputs: usize,
    /// Of each expert, or nothing.
    scales: Vec<f32>,
    /// `[count, outputs]`, or nothing.
    biases: Vec<f32>,
}

impl Product {
    /// Gate over up, of one tensor where the file has it so.
    pub fn gate_up(file: &GgufFile, block: &str, e: &ExpertsShape, hidden: usize) -> Result<Self> {
        let name = |part: &str| format!("{block}.ffn_{part}_exps");
        let width = e.feed_forward;
        match file.has_tensor(&format!("{}.weight", name("gate_up"))) {
            true => {
                // The scales of the whole are known by the name of a half.
                let parts = [(name("gate_up"), name("up"), 2 * width)];
                Product::load(file, e, hidden, &parts)
            }
            false => {
                let part = |part| (name(part), name(part), width);
                Product::load(file, e, hidden, &[part("gate"), part("up")])
            }
        }
    }

    pub fn down(file: &GgufFile, block: &str, e: &ExpertsShape, hidden: usize) -> Result<Self> {
        let name = format!("{block}.ffn_down_exps");
        let parts = [(name.clone(), name, hidden)];
        Product::load(file, e, e.feed_forward, &parts)
    }

    /// `parts`: a tensor's name, the name of its scales, its outputs.
    fn load(
        file: &GgufFile,
        e: &ExpertsShape,
        inputs: usize,
        parts: &[(String, String, usize)],
    ) -> Result<Product> {
        let part = |(name, scaled, outputs): &(String, String, usize)| {
            let scale = format!("{scaled}.scale");
            let scales = match e.scaled && file.has_tensor(&scale) {
                true => weights::vector(file, &scale, e.count)?,
                false => Vec::new(),
            };
            let biases = weights::table(file, &format!("{name}.bias"), e.count, *outputs)?;
            Ok(Part {
                name: name.clone(),
                outputs: *outputs,
                scales: unless_idle(scales, 1.0),
                biases: unless_idle(biases.unwrap_or_default(), 0.0),
            })
        };
        Ok(Product {
            count: e.count,
            inputs,
            parts: parts.iter().map(part).collect::<Result<_>>()?,
        })
    }

    /// The matrices of an expert: type, outputs and bytes of each.
    pub fn matrices<'a>(
        &self,
        file: &'a GgufFile,
        expert: usize,
    ) -> Result<Vec<(TensorType, usize, &'a [u8])>> {
        let parts = self.parts.iter().map(|part| {
            let shape = [self.count, part.outputs, self.inputs];
            let (dtype, bytes) = weights::matrix_of(file, &part.name, shape, expert)?;
            Ok((dtype, part.outputs, bytes))
        });
        parts.collect()
    }

    /// Every expert's was copied.
    pub fn give_back(&self, file: &GgufFile) {
        for part in &self.parts {
            file.give_back(&format!("{}.weight", part.name));
        }
    }

    /// What an expert's outputs are multiplied by; nothing where no expert's are by anything but 1.
    pub fn scales(&self, expert: usize) -> Vec<f32> {
        if self.parts.iter().all(|part| part.scales.is_empty()) {
            return Vec::new();
        }
        let of = |part: &Part| {
            let scale = part.scales.get(expert).copied().unwrap_or(1.0);
            vec![scale; part.outputs]
        };
        self.parts.iter().flat_map(of).collect()
    }

    /// What is added to them; nothing where that is 0 for all experts.
    pub fn biases(&self, expert: usize) -> Vec<f32> {
        if self.parts.iter().all(|part| part.biases.is_empty()) {
            return Vec::new();
        }
        let of = |part: &Part| match part.biases.is_empty() {
            true => vec![0.0; part.outputs],
            false => part.biases[expert * part.outputs..][..part.outputs].to_vec(),
        };
        self.parts.iter().flat_map(of).collect()
    }
}

/// Nothing where all numbers are `idle`.
fn unless_idle(numbers: Vec<f32>, idle: f32) -> Vec<f32> {
    match numbers.iter().all(|x| *x == idle) {
        true => Vec::new(),
        false => numbers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TinySpec, Work, write_tiny_gguf};

    /// What a file may say of its experts, with no tensor of such a size: nothing is made for them.
    #[test]
    fn experts_that_are_not_there_take_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        write_tiny_gguf(&path, &TinySpec::llama()).unwrap();
        let file = GgufFile::open(&path).unwrap();
        let e = ExpertsShape {
            count: 1024,
            used: 2,
            feed_forward: 1 << 20,
            ..ExpertsShape::RENORMALISED
        };
        let work = Work::begin();
        for (product, part) in [
            (Product::gate_up(&file, "blk.0", &e, 64), "ffn_gate_exps"),
            (Product::down(&file, "blk.0", &e, 1 << 17), "ffn_down_exps"),
        ] {
            let found = product.unwrap().matrices(&file, 0);
            let error = found.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        // Filling some GiB takes seconds.
        assert!(work.done().as_millis() < 500, "{:?}", work.done());
    }
}
