//! What tells a model file from others, without reading all of it.

use sha2::{Digest, Sha256};

use super::GgufFile;

/// Places in the tensors' bytes that are looked at, and how many bytes there.
const PLACES: usize = 256;
const LOOK: usize = 4096;

impl GgufFile {
    /// A hash of the header, the length, and a megabyte of the weights from all over the file.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let data = usize::try_from(self.content.tensor_data_offset).unwrap_or(usize::MAX);
        let (header, weights) = self.map.split_at(data.min(self.map.len()));
        hash.update((self.map.len() as u64).to_le_bytes());
        hash.update(header);
        let step = (weights.len() / PLACES).max(LOOK);
        for place in weights.chunks(step) {
            hash.update(&place[..LOOK.min(place.len())]);
        }
        hash.finalize().into()
    }
}
