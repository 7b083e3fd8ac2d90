//! What a layer is told of each token beside the stream (Gemma 4): numbers of a table of its own and a
//! projection of the token's embedding. They go through a gate that the stream opens, back into it.

use std::sync::Arc;

use super::{
    backend::Backend,
    description::Description,
    error::Result,
    gguf::{GgufFile, quants},
    weights::{self, Scaled},
};

const TABLE: &str = "per_layer_token_embd.weight";

/// The table of all layers, `[vocabulary, layers × width]`. It may be larger than all other weights
/// together, and a token needs one row: they are read from the mapped file.
pub struct Table {
    file: Arc<GgufFile>,
    width: usize,
}

/// The weights of one layer.
pub struct PerLayer<B: Backend> {
    projection: B::Linear,
    projection_norm: B::Vector,
    gate: B::Linear,
    out: B::Linear,
    out_norm: B::Vector,
}

impl Table {
    /// `None` where layers are told nothing.
    pub fn open(file: &Arc<GgufFile>, d: &Description) -> Result<Option<Table>> {
        if d.per_layer == 0 {
            return Ok(None);
        }
        let expected = [d.vocabulary, d.layers.len() * d.per_layer];
        let info = file.tensor_info(TABLE)?;
        weights::expect_shape(TABLE.into(), info.shape.dims(), &expected)?;
        Ok(Some(Table {
            file: file.clone(),
            width: d.per_layer,
        }))
    }

    /// Bytes that stay in the file.
    pub fn bytes(&self) -> u64 {
        let data = self.file.tensor_data(TABLE);
        data.map_or(0, |(_, _, bytes)| bytes.len() as u64)
    }

    /// A layer's part of the tokens' rows, `[tokens, width]`, times √width as it was trained, and over
    /// √2, since it is half of what the layer is told.
    pub fn rows(&self, layer: usize, tokens: &[u32]) -> Result<Vec<f32>> {
        let (dtype, dims, bytes) = self.file.tensor_data(TABLE)?;
        let row_bytes = bytes.len() / dims[0].max(1);
        // Whole blocks of numbers, which may begin before the layer's part and end behind it.
        let (block, size) = (dtype.block_size(), dtype.type_size());
        let from = layer * self.width;
        let blocks = from / block..(from + self.width).div_ceil(block);
        let picked: Vec<u8> = tokens
            .iter()
            .flat_map(|&id| {
                &bytes[id as usize * row_bytes..][blocks.start * size..blocks.end * size]
            })
            .copied()
            .collect();
        let numbers = quants::dequantize(dtype, &picked)?;
        let scale = (self.width as f32 / 2.0).sqrt();
        let rows = numbers.chunks_exact(blocks.len() * block);
        let part = |row: &[f32]| row[from - blocks.start * block..][..self.width].to_vec();
        Ok(rows.flat_map(part).map(|x| x * scale).collect())
    }
}

impl<B: Backend> PerLayer<B> {
    /// Of the block `blk.N`; `None` where layers are told nothing.
    pub fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Option<Self>> {
        let (width, hidden) = (d.per_layer, d.hidden);
        if width == 0 {
            return Ok(None);
        }
        let linear = |part: &str, outputs: usize, inputs: usize| {
            let parts = [(format!("blk.{layer}.{part}"), outputs)];
            b.load_linear(file, &parts, inputs, Scaled::Product)
        };
        let shape = [d.layers.len(), width, hidden];
        let norm = weights::vector(file, "per_layer_proj_norm.weight", width)?;
        // The other half of what the layer is told.
        let norm = norm.into_iter().map(|x| x / 2.0f32.sqrt()).collect();
        Ok(Some(PerLayer {
            projection: b.load_slice(file, "per_layer_model_proj", shape, layer)?,
            projection_norm: b.vector(norm)?,
            gate: linear("inp_gate", width, hidden)?,
            out: linear("proj", hidden, width)?,
            out_norm: b.load_vector(file, &format!("blk.{layer}.post_norm.weight"), hidden)?,
        }))
    }

    /// What the layer is told of tokens, whose embeddings, not scaled, and rows of the table these are.
    pub fn told(
        &self,
        b: &B,
        d: &Description,
        embedded: &B::Rows,
        rows: Vec<f32>,
    ) -> Result<B::Rows> {
        // The embedding's scale, √hidden, and the projection's, 1/√hidden, are left out: both.
        let projected = b.linear(&self.projection, embedded)?;
        let projected = b.rms_norm(&projected, &self.projection_norm, d.rms_epsilon)?;
        let rows = b.rows(rows, &projected)?;
        b.add(projected, rows)
    }

    /// The stream `x` with what it was told.
    pub fn hear(&self, b: &B, d: &Description, x: B::Rows, told: B::Rows) -> Result<B::Rows> {
        let gate = b.linear(&self.gate, &x)?;
        let opened = b.gated(d.family.gate, &b.beside(&gate, &told)?)?;
        let y = b.linear(&self.out, &opened)?;
        b.add(x, b.rms_norm(&y, &self.out_norm, d.rms_epsilon)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::gguf_file::{self, Value};
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    /// Blocks of 32 numbers hold the parts of several layers.
    #[test]
    fn parts_of_rows_are_found_in_blocks() {
        let (tokens, layers, width) = (5, 4, 24);
        let number = |i: usize| ((i * 37) % 101) as f32 / 10.0;
        let data: Vec<f32> = (0..tokens * layers * width).map(number).collect();
        let tensor = Tensor::from_vec(data, (tokens, layers * width), &Device::Cpu).unwrap();
        let tensor = QTensor::quantize(&tensor, GgmlDType::Q8_0).unwrap();
        let whole = tensor.dequantize(&Device::Cpu).unwrap();
        let whole: Vec<Vec<f32>> = whole.to_vec2().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.gguf");
        let mut out = std::fs::File::create(&path).unwrap();
        let key = ("general.architecture", &Value::String("gemma4".into()));
        gguf_file::write(&mut out, &[key], &[(TABLE, &tensor)]).unwrap();
        drop(out);
        let file = Arc::new(GgufFile::open(&path).unwrap());
        let table = Table { file, width };
        let scale = (width as f32 / 2.0).sqrt();
        for layer in 0..layers {
            let found = table.rows(layer, &[3, 0, 3]).unwrap();
            let part = |token: usize| whole[token][layer * width..][..width].to_vec();
            let wanted = [part(3), part(0), part(3)].concat();
            let wanted: Vec<f32> = wanted.into_iter().map(|x| x * scale).collect();
            assert_eq!(found, wanted, "layer {layer}");
        }
    }
}
