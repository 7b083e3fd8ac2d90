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

/// A block of a tile.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    pub quants: &'a [Line],
    /// Those of its group.
    pub scales: &'a [Line],
    /// Its place in the group.
    pub at: usize,
    /// Whether its scales are others than those of the block before.
    pub begins: bool,
}

/// A tile's blocks, one behind the other. What it takes from one to the next is an addition: a kernel waits
/// for it at every block.
pub struct Blocks<'a> {
    rest: &'a [Line],
    scales: &'a [Line],
    at: usize,
    begins: bool,
    /// Of a group and of a block.
    lines: (usize, usize),
    mask: usize,
}

impl<'a> Tile<'a> {
    #[inline(always)]
    pub fn blocks(&self) -> Blocks<'a> {
        let Form { quants, scales } = self.form;
        let lines = (scales.lines(), quants.lines());
        let (first, end) = (self.blocks.start, self.blocks.end);
        let at = scales.in_group(first);
        let begin = match at {
            0 => self.form.scales_at(first),
            _ => self.form.quants_at(first),
        };
        let end = match self.blocks.is_empty() {
            true => begin,
            false => self.form.quants_at(end - 1) + lines.1,
        };
        Blocks {
            rest: &self.lines[begin..end],
            scales: &self.lines[self.form.scales_at(first)..][..lines.0.min(self.lines.len())],
            at,
            begins: true,
            lines,
            mask: scales.group() - 1,
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Block<'a>> {
        if self.at == 0 {
            self.scales = self.rest.split_off(..self.lines.0)?;
        }
        let block = Block {
            quants: self.rest.split_off(..self.lines.1)?,
            scales: self.scales,
            at: self.at,
            begins: self.begins || self.at == 0,
        };
        self.begins = false;
        self.at = (self.at + 1) & self.mask;
        Some(block)
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
