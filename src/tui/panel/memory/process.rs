//! Where the process's own memory is.

use crate::engine::event::Mode;
use crate::tui::observed::Observed;

/// Parts of the resident bytes, which they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// At most: what of the weights is still in the mapped file is among the mapped bytes.
    pub weights: u64,
    /// The buffers of the cache.
    pub cache: u64,
    /// The archive, where it is kept in memory.
    pub archive: u64,
    /// Files: the system takes them back when it needs memory.
    pub mapped: u64,
    /// The program, its scratch space, the conversation.
    pub rest: u64,
}

/// What is known of the process; on a device, weights and cache are not in it.
pub fn parts(o: &Observed) -> Option<Parts> {
    let p = &o.picture;
    let resident = p.process.resident;
    if resident == 0 {
        return None;
    }
    let mut left = p.process.anonymous();
    let mapped = resident - left;
    // Sizes are known better than where they lie: none may take more than there is.
    let mut take = |bytes: u64| {
        let taken = bytes.min(left);
        left -= taken;
        taken
    };
    let here = o.model.as_ref().filter(|model| model.device == "cpu");
    let (mut cache, mut weights) = (0, 0);
    if let Some(model) = here {
        cache = take(p.allocated_bytes);
        weights = take(model.weight_bytes);
    }
    let archive = match o.archive.mode {
        Mode::Memory => take(o.archive.bytes),
        Mode::Disk | Mode::Off => 0,
    };
    Some(Parts {
        weights,
        cache,
        archive,
        mapped,
        rest: left,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::event::{ModelInfo, ProcessMemory};

    proptest! {
        #[test]
        fn the_parts_add_up_whatever_is_told(
            (resident, mapped, allocated, weight_bytes, bytes) in any::<(u64, u64, u64, u64, u64)>(),
            (cpu, memory) in any::<(bool, bool)>(),
        ) {
            let process = ProcessMemory { resident, mapped };
            let device = if cpu { "cpu" } else { "cuda:0" }.to_owned();
            let mode = if memory { Mode::Memory } else { Mode::Disk };
            let mut o = Observed::default();
            o.model.replace(ModelInfo { device, weight_bytes, ..ModelInfo::default() });
            (o.picture.process, o.picture.allocated_bytes) = (process, allocated);
            (o.archive.mode, o.archive.bytes) = (mode, bytes);
            if let Some(p) = parts(&o) {
                let sum = [p.weights, p.cache, p.archive, p.mapped, p.rest];
                prop_assert_eq!(sum.iter().map(|&n| u128::from(n)).sum::<u128>(), u128::from(resident));
                prop_assert!(cpu || p.cache + p.weights == 0);
                prop_assert!(memory || p.archive == 0);
            } else {
                prop_assert_eq!(resident, 0);
            }
        }
    }
}
