//! Which kernel this CPU runs.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{
    activations::Panel,
    layout::{Form, Line, TILE},
    portable,
    scales::Group,
};
use std::ops::Range;
use std::sync::OnceLock;

/// Some blocks of a tile of weights.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    pub form: Form,
    /// The whole tile.
    pub lines: &'a [Line],
    pub blocks: Range<usize>,
}

impl<'a> Tile<'a> {
    /// A block's quants, and where its scales are in `group`, which `read` fills when the block begins
    /// one, given the group's scales.
    #[inline(always)]
    pub fn block(
        &self,
        block: usize,
        group: &mut Group,
        read: impl FnOnce(&mut Group, &'a [Line]),
    ) -> (&'a [Line], usize) {
        let scales = self.form.scales;
        let at = scales.in_group(block);
        if at == 0 || block == self.blocks.start {
            read(
                group,
                &self.lines[self.form.scales_at(block)..][..scales.lines()],
            );
        }
        let quants = &self.lines[self.form.quants_at(block)..][..self.form.quants.lines()];
        (quants, at)
    }
}

/// A tile of weights times a panel of activations, see `portable::tile`; what its scales are read into
/// is the caller's, so that it is made once for many tiles.
type Run = fn(&Tile<'_>, &mut Group, Panel<'_>, &mut [[f32; TILE]]);

/// A way to compute products, by name. Every kernel gives the portable one's results up to the order of
/// f32 additions.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    pub name: &'static str,
    pub(super) tile: Run,
}

impl Kernel {
    /// The kernels that this CPU can run, best first.
    pub fn available() -> &'static [Kernel] {
        static KERNELS: OnceLock<Vec<Kernel>> = OnceLock::new();
        KERNELS.get_or_init(detect)
    }

    /// The fastest of them.
    pub fn best() -> Kernel {
        Kernel::available()[0]
    }
}

fn detect() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use super::{avx2, avx512, avxvnni};
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        if avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            kernels.push(Kernel {
                name: "avx512-vnni",
                // SAFETY: the CPU has the features.
                tile: |tile, group, x, out| unsafe { avx512::tile(tile, group, x, out) },
            });
        }
        if avx2 && is_x86_feature_detected!("avxvnni") {
            kernels.push(Kernel {
                name: "avx-vnni",
                // SAFETY: the CPU has the features.
                tile: |tile, group, x, out| unsafe { avxvnni::tile(tile, group, x, out) },
            });
        }
        if avx2 {
            kernels.push(Kernel {
                name: "avx2",
                // SAFETY: the CPU has the features.
                tile: |tile, group, x, out| unsafe { avx2::tile(tile, group, x, out) },
            });
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        kernels.push(Kernel {
            name: "neon",
            // SAFETY: the CPU has the feature.
            tile: |tile, group, x, out| unsafe { super::neon::tile(tile, group, x, out) },
        });
    }
    kernels.push(Kernel {
        name: "portable",
        tile: portable::tile,
    });
    kernels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_kernel_comes_last_and_neon_first_where_there_is_neon() {
        let names: Vec<_> = Kernel::available().iter().map(|k| k.name).collect();
        println!("kernels of this CPU: {}", names.join(", "));
        assert_eq!(names.last(), Some(&"portable"));
        if cfg!(target_arch = "aarch64") {
            assert_eq!(names, ["neon", "portable"]);
        }
    }
}
