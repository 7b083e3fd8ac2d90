//! What a model takes in memory, from its file's own numbers: known before anything is loaded, and
//! pure arithmetic. `engine/fit.rs` holds it against what is free.

use super::{
    description::Description,
    gguf::{GgufFile, TensorInfo},
    gpu::{covers, work},
    kernels::{dense::dense_bytes, packed::packed_bytes},
    shape::{AttentionShape, LayerShape},
};
use crate::cache::PAGE;
use crate::gpu;

/// Bytes of the process beside all models: the program's own data, threads, a terminal's screen.
const PROCESS: u64 = 6 << 20;
/// What the vocabulary and the template take for each byte of the file's header that has them.
const PER_HEADER_BYTE: u64 = 7;
/// Bytes of the program and its libraries that are mapped.
const PROGRAM: u64 = 11 << 20;
/// Rows that go through a layer at once on the host, at most.
const BLOCK_ROWS: usize = 256;

/// Where and how exactly a model is going to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub place: Place,
    /// Weights in f32.
    pub exact: bool,
    /// Bytes of an element of the cache.
    pub element: usize,
}

/// Where, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the CPU with this project's kernels.
    Host,
    /// On a GPU with this project's kernels, where they cover the model.
    Gpu,
    /// On a device by tensor operations, as the file has the weights.
    Portable,
}

impl Way {
    /// As it is taken: what the GPU's kernels do not cover goes by tensor operations.
    fn taken(self, d: &Description) -> Way {
        let place = match self.place {
            Place::Gpu if covers(d).is_some() => Place::Portable,
            place => place,
        };
        Way { place, ..self }
    }
}

/// What one layer holds of a token, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// Bytes of an entry in every head, its positions included.
    token: u64,
    /// A sliding window: the most entries it keeps.
    window: Option<usize>,
    /// Bytes of a state in place of entries.
    state: u64,
}

/// A model's needs, apart from how long the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of the weights as they are kept.
    pub weights: u64,
    /// Of these, bytes that one token goes through.
    pub active: u64,
    /// Bytes of the vocabulary, the template and the program.
    pub beside: u64,
    /// Bytes of files that stay mapped: the system takes them back when it needs memory.
    pub mapped: u64,
    layers: Vec<Held>,
    /// Bytes of a token in the stream between layers, with the angles of its place.
    stream: u64,
    /// Bytes of what a layer works with for a row of a block, and the rows of a block.
    row: u64,
    rows: usize,
    /// Bytes that it works with whatever the rows are.
    scratch: u64,
    /// Bytes of a token when a layer is judged: its scores.
    judged: u64,
    /// Tokens that the model was trained for.
    pub context: usize,
}

/// What a run takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Need {
    /// With the vocabulary and the program.
    pub weights: u64,
    /// Keys and values that stay.
    pub cache: u64,
    /// Reading the prompt: one layer's keys and values in full, and what goes through it.
    pub prefill: u64,
}

impl Need {
    pub fn total(&self) -> u64 {
        self.weights + self.cache + self.prefill
    }

    /// About what a file of `bytes` takes that is not here yet, whose tokens take `token_bytes` in the
    /// layers that grow.
    pub fn guess(bytes: u64, token_bytes: usize, tokens: usize, bound: Option<usize>) -> Need {
        let held = bound.map_or(tokens, |bound| bound.min(tokens));
        Need {
            weights: bytes + bytes / 8 + PROCESS + (40 << 20),
            cache: (token_bytes * held) as u64,
            prefill: (tokens * (token_bytes / 16 + (8 << 10))) as u64,
        }
    }
}

impl Footprint {
    pub fn of(file: &GgufFile, d: &Description, way: Way) -> Footprint {
        let way = way.taken(d);
        let host = way.place == Place::Host;
        // A table of its own is read where it lies, and keeps the whole file mapped.
        let is_table = |name: &str| match name {
            "token_embd.weight" => !d.tied && host,
            "per_layer_token_embd.weight" => true,
            _ => false,
        };
        let apart = file.tensors().any(|(name, _)| is_table(name));
        let rest = || file.tensors().filter(|(name, _)| !is_table(name));
        let stored = |(_, info): (&str, &TensorInfo)| {
            let elements = info.shape.dims().iter().product();
            info.dtype.bytes(elements).unwrap_or(0) as u64
        };
        let mapped: u64 = match apart {
            true => rest().map(stored).sum(),
            false => 0,
        };
        let kept: u64 = rest().map(|(_, info)| self::kept(info, way)).sum();
        let experts = rest().filter(|(name, _)| name.contains("_exps."));
        let experts: u64 = experts.map(|(_, info)| self::kept(info, way)).sum();
        let of_all = d.layers.iter().find_map(|layer| layer.experts);
        let used = of_all.map_or(1.0, |e| e.used as f64 / e.count.max(1) as f64);
        // For tensor operations the table is f16 beside the output head that it may also be.
        let on_device = match way.place {
            Place::Portable => (d.vocabulary * d.hidden * 2) as u64,
            Place::Host | Place::Gpu => 0,
        };
        let unpacked = |(name, info): (&str, &TensorInfo)| {
            let dims = info.shape.dims();
            let here = name.starts_with("blk.0.") && dims.len() > 1 && !info.dtype.is_plain();
            match here {
                true => work::unpacked_bytes(dims.iter().product()) as u64,
                false => 0,
            }
        };
        Footprint {
            scratch: match way.place {
                Place::Gpu if !way.exact => rest().map(unpacked).sum(),
                _ => 0,
            },
            weights: kept + on_device,
            active: kept - experts + (experts as f64 * used) as u64,
            // That is not on the device.
            beside: match way.place {
                Place::Gpu => 0,
                Place::Host | Place::Portable => PROCESS + file.header_bytes() * PER_HEADER_BYTE,
            },
            mapped: mapped + PROGRAM,
            ..Footprint::running(d, way)
        }
    }

    /// Of a model that is in memory already: only what a text takes.
    pub fn running(d: &Description, way: Way) -> Footprint {
        let way = way.taken(d);
        let held = d.layers.iter().map(|layer| held(layer, way));
        let rows = |layer: &LayerShape| {
            // Rows come in, are normed, go through the mixer's matrices and what is made of them, and
            // through the MLP.
            let mixer = layer.mixer_macs(d.hidden) / d.hidden.max(1);
            3 * d.hidden + mixer * 3 / 2 + 3 * layer.mlp_width()
        };
        let half = |layer: &LayerShape| layer.attention()?.rotary.map(|r| r.dim / 2);
        let kinds: std::collections::BTreeSet<_> = d.layers.iter().filter_map(half).collect();
        let turned: usize = kinds.iter().sum();
        let widest = d.layers.iter().map(rows).max().unwrap_or(0);
        let heads = d.layers.iter().map(LayerShape::kv_heads).max();
        let (row, rows, judged) = match way.place {
            Place::Gpu => {
                let row = work::row_bytes(d, way.exact);
                (row, work::block_rows(d), work::judged_bytes(d))
            }
            Place::Host | Place::Portable => (4 * widest, BLOCK_ROWS, 8 * heads.unwrap_or(0)),
        };
        // The GPU's kernels make the angles themselves.
        let turned = match way.place {
            Place::Gpu => 0,
            Place::Host | Place::Portable => turned,
        };
        Footprint {
            weights: 0,
            active: 0,
            beside: 0,
            mapped: 0,
            layers: held.collect(),
            stream: (4 * (d.hidden + 2 * turned)) as u64,
            row: row as u64,
            rows,
            scratch: 0,
            judged: judged as u64,
            context: d.context,
        }
    }

    /// What reading `tokens` takes, where each head of a layer that grows keeps `bound` entries.
    pub fn need(&self, tokens: usize, bound: Option<usize>) -> Need {
        let whole = |tokens: usize| tokens.next_multiple_of(PAGE) as u64;
        let most = |held: &Held| match held.window {
            Some(window) => whole(tokens.min(window + PAGE)),
            None => whole(bound.map_or(tokens, |bound| tokens.min(bound))),
        };
        let cache = self
            .layers
            .iter()
            .map(|held| held.token * most(held) + held.state)
            .sum();
        // One layer at a time is full, and what it keeps is made beside it.
        let full = self.layers.iter();
        let full = full.map(|held| held.token * whole(tokens).saturating_sub(most(held)));
        let judged = match bound {
            Some(_) => self.judged * tokens as u64,
            None => 0,
        };
        Need {
            weights: self.weights + self.beside,
            cache,
            prefill: full.max().unwrap_or(0)
                + self.stream * tokens as u64
                + judged
                + self.row * tokens.min(self.rows) as u64
                + self.scratch,
        }
    }

    /// The most tokens for which `fits` says yes to what they need, in steps of 64; `None` where not
    /// even one page's worth does.
    pub fn largest(&self, bound: Option<usize>, fits: impl Fn(Need) -> bool) -> Option<usize> {
        let (mut low, mut high) = (0, self.context / PAGE + 1);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match fits(self.need(middle * PAGE, bound)) {
                true => low = middle,
                false => high = middle,
            }
        }
        (low > 0).then(|| low * PAGE)
    }
}

fn held(layer: &LayerShape, way: Way) -> Held {
    // Positions stay on the host.
    let position = if way.place == Place::Gpu { 0 } else { 4 };
    let token = |a: &AttentionShape| a.kv_heads * (a.entry_bytes(way.element) + position);
    // One that sees another's entries has none.
    let own = layer.attention().filter(|_| layer.source().is_none());
    Held {
        token: own.map_or(0, token) as u64,
        window: layer.window(),
        state: layer.state_bytes() as u64,
    }
}

/// Bytes of a tensor as it is kept.
fn kept(info: &TensorInfo, way: Way) -> u64 {
    let dims = info.shape.dims();
    let elements: usize = dims.iter().product();
    let Some(&cols) = dims.last().filter(|_| dims.len() > 1) else {
        let bytes = 4 * elements;
        return match way.place {
            Place::Gpu => gpu::class(bytes) as u64,
            Place::Host | Place::Portable => bytes as u64,
        };
    };
    if way.place != Place::Host {
        let stored = match way.exact {
            true => Some(4 * elements),
            false => info.dtype.bytes(elements),
        };
        let stored = stored.unwrap_or(0);
        return match way.place {
            Place::Gpu => gpu::class(stored) as u64,
            Place::Host | Place::Portable => stored as u64,
        };
    }
    let rows = elements / cols.max(1);
    let packed = match way.exact || info.dtype.is_plain() {
        true => None,
        false => packed_bytes(info.dtype, rows, cols),
    };
    packed.unwrap_or_else(|| dense_bytes(info.dtype, rows, cols)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gguf::{TensorType, quants};
    use crate::model::kernels::{dense::DenseMatrix, packed::PackedMatrix};
    use crate::testing::{TinySpec, write_tiny_gguf};

    const HOST: Way = Way {
        place: Place::Host,
        exact: false,
        element: 2,
    };

    fn tiny(spec: &TinySpec) -> Footprint {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_tiny_gguf(file.path(), spec).unwrap();
        let file = GgufFile::open(file.path()).unwrap();
        let d = Description::from_gguf(&file).unwrap();
        Footprint::of(&file, &d, HOST)
    }

    #[test]
    fn weights_take_what_the_kernels_say() {
        for (dtype, rows, cols) in [
            (TensorType::Q4_0, 40, 64),
            (TensorType::Q5_0, 16, 32),
            (TensorType::Q8_0, 17, 96),
            (TensorType::Q4K, 16, 256),
            (TensorType::Q6K, 16, 512),
        ] {
            let data = vec![0; dtype.bytes(rows * cols).unwrap()];
            let packed = PackedMatrix::from_ggml(dtype, rows, cols, &data).unwrap();
            assert_eq!(packed_bytes(dtype, rows, cols), Some(packed.bytes()));
            let numbers = quants::dequantize(dtype, &data).unwrap();
            assert_eq!(numbers.len(), rows * cols);
        }
        for dtype in [TensorType::F32, TensorType::F16] {
            let data = vec![0; dtype.bytes(3 * 40).unwrap()];
            DenseMatrix::from_ggml(dtype, 3, 40, &data).unwrap();
            // Rows are filled up to whole lines.
            let row = dtype.bytes(40).unwrap().next_multiple_of(64);
            assert_eq!(dense_bytes(dtype, 3, 40), 3 * row);
        }
        assert_eq!(packed_bytes(TensorType::Q4_0, 4, 40), None);
    }

    #[test]
    fn a_budget_bounds_the_cache_and_not_the_layer_that_is_read() {
        let spec = TinySpec::llama();
        let footprint = tiny(&spec);
        let token = (spec.layers * spec.kv_heads * (2 * 2 * spec.head_dim + 4)) as u64;
        let full = footprint.need(1024, None);
        assert_eq!(full.cache, 1024 * token);
        let kept = footprint.need(1024, Some(128));
        assert_eq!(kept.cache, 128 * token);
        let layer = (1024 - 128) * token / spec.layers as u64;
        assert!(kept.prefill > full.prefill + layer && kept.total() < full.total());
        // A short text does not take what the budget allows.
        assert_eq!(footprint.need(64, Some(128)).cache, 64 * token);
        let most = full.total();
        let longest = footprint.largest(None, |need| need.total() <= most);
        assert_eq!(longest, Some(1024));
        assert_eq!(footprint.largest(None, |_| true), Some(spec.context));
        assert_eq!(footprint.largest(None, |_| false), None);
    }
}
