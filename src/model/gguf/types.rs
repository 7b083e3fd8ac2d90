//! How a tensor's numbers are stored.

use candle_core::quantized::GgmlDType;

/// A type of GGML that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    /// Blocks of 32: a scale and 4-bit places in a table of uneven steps.
    Iq4Nl,
    /// As [`TensorType::Iq4Nl`], with eight scales of 6 bits to one of 16.
    Iq4Xs,
    /// Blocks of 32 numbers of 4 bits with exponents (E2M1) and one power of two.
    Mxfp4,
}

use TensorType::*;

/// Each with its number in files, its name for people, weights and bytes of a block.
const TYPES: [(TensorType, u32, &str, usize, usize); 18] = [
    (F32, 0, "F32", 1, 4),
    (F16, 1, "F16", 1, 2),
    (BF16, 30, "BF16", 1, 2),
    (Q4_0, 2, "Q4_0", 32, 18),
    (Q4_1, 3, "Q4_1", 32, 20),
    (Q5_0, 6, "Q5_0", 32, 22),
    (Q5_1, 7, "Q5_1", 32, 24),
    (Q8_0, 8, "Q8_0", 32, 34),
    (Q8_1, 9, "Q8_1", 32, 36),
    (Q2K, 10, "Q2_K", 256, 84),
    (Q3K, 11, "Q3_K", 256, 110),
    (Q4K, 12, "Q4_K", 256, 144),
    (Q5K, 13, "Q5_K", 256, 176),
    (Q6K, 14, "Q6_K", 256, 210),
    (Q8K, 15, "Q8_K", 256, 292),
    (Iq4Nl, 20, "IQ4_NL", 32, 18),
    (Iq4Xs, 23, "IQ4_XS", 256, 136),
    (Mxfp4, 39, "MXFP4", 32, 17),
];

/// Names of types that are not read, for messages.
const OTHERS: [(u32, &str); 16] = [
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

impl TensorType {
    /// The type with this number in files.
    pub fn from_id(id: u32) -> Option<TensorType> {
        let found = TYPES.iter().find(|(_, of, ..)| *of == id);
        found.map(|(dtype, ..)| *dtype)
    }

    fn row(self) -> &'static (TensorType, u32, &'static str, usize, usize) {
        let found = TYPES.iter().find(|(dtype, ..)| *dtype == self);
        found.unwrap_or(&TYPES[0])
    }

    /// Its number in files.
    pub fn id(self) -> u32 {
        self.row().1
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Weights of a block.
    pub fn block_size(self) -> usize {
        self.row().3
    }

    /// Bytes of a block.
    pub fn type_size(self) -> usize {
        self.row().4
    }

    /// Bytes of `weights` numbers; `None` where they are no whole blocks, or too many.
    pub fn bytes(self, weights: usize) -> Option<usize> {
        let whole = weights.is_multiple_of(self.block_size());
        let blocks = whole.then(|| weights / self.block_size())?;
        blocks.checked_mul(self.type_size())
    }

    /// Whether each number stands for itself.
    pub fn is_plain(self) -> bool {
        self.block_size() == 1
    }

    /// What candle calls it, where it knows it.
    pub fn candle(self) -> Option<GgmlDType> {
        Some(match self {
            F32 => GgmlDType::F32,
            F16 => GgmlDType::F16,
            BF16 => GgmlDType::BF16,
            Q4_0 => GgmlDType::Q4_0,
            Q4_1 => GgmlDType::Q4_1,
            Q5_0 => GgmlDType::Q5_0,
            Q5_1 => GgmlDType::Q5_1,
            Q8_0 => GgmlDType::Q8_0,
            Q8_1 => GgmlDType::Q8_1,
            Q2K => GgmlDType::Q2K,
            Q3K => GgmlDType::Q3K,
            Q4K => GgmlDType::Q4K,
            Q5K => GgmlDType::Q5K,
            Q6K => GgmlDType::Q6K,
            Q8K => GgmlDType::Q8K,
            Iq4Nl | Iq4Xs | Mxfp4 => return None,
        })
    }
}

impl From<GgmlDType> for TensorType {
    fn from(dtype: GgmlDType) -> TensorType {
        let of = TYPES.iter().map(|(of, ..)| *of);
        let mut same = of.filter(|of| of.candle() == Some(dtype));
        same.next().unwrap_or(F32)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a type that is not read is called.
pub(super) fn name_of_other(id: u32) -> String {
    match OTHERS.iter().find(|(of, _)| *of == id) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("type {id} (unknown)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_stands_once_and_as_candle_has_it() {
        for (dtype, id, ..) in TYPES {
            assert_eq!(TensorType::from_id(id), Some(dtype));
            assert_eq!((dtype.id(), dtype.row().0), (id, dtype));
            if let Some(candle) = dtype.candle() {
                assert_eq!(TensorType::from(candle), dtype);
                let sizes = (candle.block_size(), candle.type_size());
                assert_eq!((dtype.block_size(), dtype.type_size()), sizes, "{dtype}");
            }
        }
        assert!(
            OTHERS
                .iter()
                .all(|(id, _)| TensorType::from_id(*id).is_none())
        );
        assert_eq!(Q4K.bytes(512), Some(288));
        assert_eq!(Q4K.bytes(500), None);
    }
}
