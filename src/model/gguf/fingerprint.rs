//! What tells a model file from others, without reading all of it.

use sha2::{Digest, Sha256};

use super::GgufFile;

/// Places in the tensors' bytes that are looked at, and how many bytes there.
const PLACES: usize = 256;
const LOOK: usize = 4096;

impl GgufFile {
    /// A hash of the header, the length, and a megabyte of the weights from all over the file; of
    /// each part, where the model is in several.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in &self.parts {
            let map = part.bytes();
            let data = usize::try_from(part.data()).unwrap_or(usize::MAX);
            let (header, weights) = map.split_at(data.min(map.len()));
            hash.update((map.len() as u64).to_le_bytes());
            hash.update(header);
            let step = (weights.len() / PLACES).max(LOOK);
            for place in weights.chunks(step) {
                hash.update(&place[..LOOK.min(place.len())]);
            }
            // Looking at a place may have brought megabytes around it.
            part.give_back(data.min(map.len())..map.len());
        }
        hash.finalize().into()
    }
}
