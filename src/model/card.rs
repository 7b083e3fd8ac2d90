//! The graphics card, as its driver describes it.

/// A card that can run the kernels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Card {
    pub ordinal: usize,
    pub name: String,
    /// Its compute capability: `9.0`.
    pub capability: String,
    /// The newest CUDA that its driver knows: `13.0`.
    pub cuda: String,
    pub multiprocessors: u32,
    pub memory_bytes: u64,
    pub free_bytes: Option<u64>,
}

/// Card `ordinal`, or why it cannot be used; `None` where this build has no support for any.
#[cfg(feature = "cuda")]
pub fn card(ordinal: usize) -> Option<Result<Card, String>> {
    use super::plain::plain;
    use crate::gpu::cuda::Cuda;
    use crate::gpu::driver::Driver;

    let version = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    let card = Cuda::open(ordinal).map(|open| {
        let info = open.info();
        Card {
            ordinal,
            name: info.name.clone(),
            capability: version(info.capability),
            cuda: version(info.driver),
            multiprocessors: info.multiprocessors,
            memory_bytes: info.memory,
            free_bytes: open.memory().map(|(free, _)| free),
        }
    });
    Some(card.map_err(|error| plain(&error)))
}

/// Metal has no such description of its GPUs; what is said is why one cannot be used.
#[cfg(all(feature = "metal", not(feature = "cuda")))]
pub fn card(ordinal: usize) -> Option<Result<Card, String>> {
    use super::plain::plain;
    use crate::gpu::metal::Metal;

    let opened = Metal::open(ordinal).err();
    opened.map(|error| Err(plain(&error)))
}

/// Builds without support for one have none.
#[cfg(not(any(feature = "cuda", feature = "metal")))]
pub fn card(_ordinal: usize) -> Option<Result<Card, String>> {
    None
}
