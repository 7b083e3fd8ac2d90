//! The unit's instructions, and whether they may be used.

#![allow(unsafe_code, reason = "instructions that the compiler does not know")]

use super::stack;
use crate::model::kernels::region::Line;
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Rows and columns of a tile of sums.
pub const SIDE: usize = 16;
/// Numbers of a row that a tile of factors has.
pub const DEPTH: usize = 32;
/// Lines of a tile.
pub const LINES: usize = 16;

/// Of CPUID's leaf 7, EDX: bf16, and tiles.
const FEATURES: u32 = 1 << 22 | 1 << 24;
/// Of CPUID's leaf 1, ECX: the system saves registers as XCR0 says.
const OSXSAVE: u32 = 1 << 27;
/// In XCR0: the tiles' configuration, and the tiles.
const STATE: u64 = 1 << 17 | 1 << 18;
/// `arch_prctl`: asks for a part of the state that is not given to everyone, and the tiles' number in it.
const REQUEST: libc::c_long = 0x1023;
const TILES: libc::c_long = 18;

/// Whether this CPU has the unit for bf16 and what is needed beside it, and the system lets this process use it.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| !cfg!(miri) && is_there() && may_be_used())
}

fn is_there() -> bool {
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16");
    if !avx512 || __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    #[target_feature(enable = "xsave")]
    fn state() -> u64 {
        // SAFETY: the system has said that there is this register.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: a CPU whose system saves by it has it.
    let state = unsafe { state() };
    __cpuid_count(7, 0).edx & FEATURES == FEATURES && state & STATE == STATE
}

/// The kernel keeps 8 KiB more for each thread that uses it, and so wants to be asked.
fn may_be_used() -> bool {
    // SAFETY: a request, which changes nothing but what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILES) == 0 }
}

#[repr(C, align(64))]
struct Config {
    palette: u8,
    first_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles at their full size.
static CONFIG: Config = Config {
    palette: 1,
    first_row: 0,
    reserved: [0; 14],
    bytes_per_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The unit of this thread, at work until this is dropped; one at a time.
pub struct Unit(PhantomData<*const ()>);

impl Unit {
    /// Nothing where it is not [`available`].
    pub fn take() -> Option<Unit> {
        if !available() {
            return None;
        }
        stack::widen();
        // SAFETY: the unit is there and may be used.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) }
        Some(Unit(PhantomData))
    }

    /// Sums of two tiles of rows by two of columns, over all of the factors' depth; they begin from what
    /// stands in `sums` where it `goes_on`, else from zero.
    ///
    /// # Panics
    /// When the factors are not all of the same depth, in whole tiles.
    pub fn multiply(&self, rows: Factors, columns: Factors, sums: &mut Sums, goes_on: bool) {
        self.begin(goes_on.then_some(&*sums));
        self.add(rows, columns);
        self.end(sums);
    }

    /// The unit's sums become these, or zero.
    pub fn begin(&self, sums: Option<&Sums>) {
        // SAFETY: this thread's tiles are configured, and sums are four of them. Nothing else in the program
        // uses tiles, so none needs to be told of as lost; that holds for what follows, too.
        unsafe {
            match sums {
                Some(sums) => asm!(
                    "tileloadd tmm0, [{at} + {row}]", "tileloadd tmm1, [{at} + {row} + 64]",
                    "tileloadd tmm2, [{at} + {row} + 2048]", "tileloadd tmm3, [{at} + {row} + 2112]",
                    at = in(reg) sums.0.as_ptr(), row = in(reg) 128usize, options(nostack, readonly)
                ),
                None => asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    options(nostack, nomem)
                ),
            }
        }
    }

    /// Products of two tiles of rows by two of columns, over all of the factors' depth, come to the unit's sums.
    ///
    /// # Panics
    /// When the factors are not all of the same depth, in whole tiles.
    pub fn add(&self, rows: Factors, columns: Factors) {
        let depth = rows.0.len() / LINES;
        assert!(
            [rows.0, rows.1, columns.0, columns.1]
                .iter()
                .all(|lines| lines.len() == depth * LINES)
        );
        if depth == 0 {
            return;
        }
        // SAFETY: as above; the loop reads `depth` tiles of each factor.
        unsafe {
            asm!(
                "2:",
                "tileloadd tmm4, [{a0} + {line}]",
                "tileloadd tmm6, [{b0} + {line}]",
                "tileloadd tmm5, [{a1} + {line}]",
                "tileloadd tmm7, [{b1} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a0}, 1024", "add {a1}, 1024", "add {b0}, 1024", "add {b1}, 1024",
                "dec {depth}",
                "jnz 2b",
                a0 = inout(reg) rows.0.as_ptr() => _, a1 = inout(reg) rows.1.as_ptr() => _,
                b0 = inout(reg) columns.0.as_ptr() => _, b1 = inout(reg) columns.1.as_ptr() => _,
                depth = inout(reg) depth => _, line = in(reg) 64usize,
                options(nostack, readonly)
            );
        }
    }

    /// Gives the unit's sums.
    pub fn end(&self, sums: &mut Sums) {
        // SAFETY: as above.
        unsafe {
            asm!(
                "tilestored [{at} + {row}], tmm0", "tilestored [{at} + {row} + 64], tmm1",
                "tilestored [{at} + {row} + 2048], tmm2", "tilestored [{at} + {row} + 2112], tmm3",
                at = in(reg) sums.0.as_mut_ptr(), row = in(reg) 128usize, options(nostack)
            );
        }
    }
}

impl Drop for Unit {
    /// So that the system has nothing of it to save.
    fn drop(&mut self) {
        // SAFETY: the unit is there.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }
}

/// Two factors, tile behind tile along their depth.
#[derive(Clone, Copy)]
pub struct Factors<'a>(pub &'a [Line], pub &'a [Line]);

/// `[32, 32]`: rows of the two factors by columns of the two.
#[repr(C, align(64))]
#[derive(Clone)]
pub struct Sums(pub [[f32; 32]; 32]);

impl Sums {
    pub const ZERO: Sums = Sums([[0.0; 32]; 32]);
}
