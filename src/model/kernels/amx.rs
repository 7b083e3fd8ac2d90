//! The matrix unit of newer x86-64 servers (AMX): products of tiles of bf16, 16 × 32 by 32 × 16, summed in f32.
//!
//! A tile is 16 lines of 64 bytes. Of the left factor a line is a row's 32 numbers, of the right one it is 16
//! columns' pairs of numbers, of the sums a row. Each row of the sums is added up in the order of the numbers,
//! whatever the other rows hold.

#![allow(unsafe_code, reason = "instructions that the compiler does not know")]

/// Whether this CPU has the unit for bf16 and what is needed beside it, and the system lets this process use it.
pub fn available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
    {
        static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *AVAILABLE.get_or_init(|| unit::is_there() && unit::may_be_used())
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use unit::{DEPTH, Factors, LINES, SIDE, Sums, Unit};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit {
    use crate::model::kernels::region::Line;
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    use std::marker::PhantomData;

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
    const REQUEST: i32 = 0x1023;
    const TILES: i32 = 18;

    pub fn is_there() -> bool {
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
    pub fn may_be_used() -> bool {
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

    /// The unit of this thread, at work until this is dropped.
    pub struct Unit(PhantomData<*const ()>);

    impl Unit {
        /// Nothing where it is not [`super::available`].
        pub fn take() -> Option<Unit> {
            // SAFETY: the unit is there and may be used.
            super::available().then(|| unsafe {
                asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly))
            });
            super::available().then_some(Unit(PhantomData))
        }

        /// Sums of two tiles of rows by two of columns, over all of the factors' depth; they begin from what
        /// stands in `sums` where it `goes_on`, else from zero.
        ///
        /// # Panics
        /// When the factors are not all of the same depth, in whole tiles.
        pub fn multiply(&self, rows: Factors, columns: Factors, sums: &mut Sums, goes_on: bool) {
            let depth = rows.0.len() / LINES;
            assert!(
                [rows.0, rows.1, columns.0, columns.1]
                    .iter()
                    .all(|lines| lines.len() == depth * LINES)
            );
            let at = sums.0.as_mut_ptr();
            // SAFETY: this thread's tiles are configured; the loop reads `depth` tiles of each factor, and the
            // sums are four tiles each. Nothing else in the program uses tiles, so none needs to be told of as
            // lost.
            unsafe {
                if !goes_on {
                    asm!(
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        options(nostack, nomem)
                    );
                } else {
                    asm!(
                        "tileloadd tmm0, [{c} + {row}]", "tileloadd tmm1, [{c} + {row} + 64]",
                        "tileloadd tmm2, [{c} + {row} + 2048]", "tileloadd tmm3, [{c} + {row} + 2112]",
                        c = in(reg) at, row = in(reg) 128usize, options(nostack, readonly)
                    );
                }
                if depth > 0 {
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
                asm!(
                    "tilestored [{c} + {row}], tmm0", "tilestored [{c} + {row} + 64], tmm1",
                    "tilestored [{c} + {row} + 2048], tmm2", "tilestored [{c} + {row} + 2112], tmm3",
                    c = in(reg) at, row = in(reg) 128usize, options(nostack)
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
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests {
    use super::*;
    use crate::model::kernels::region::Line;
    use half::bf16;

    #[test]
    fn products_of_tiles_are_those_of_their_numbers() {
        let Some(unit) = Unit::take() else {
            println!("this CPU has no AMX");
            return;
        };
        const DEEP: usize = 3 * DEPTH;
        let number = |seed: usize, i: usize| ((i * 7919 + seed * 131) % 255) as f32 - 127.0;
        let put = |line: &mut Line, at: usize, x: f32| {
            line.0[2 * at..][..2].copy_from_slice(&bf16::from_f32(x).to_le_bytes());
        };
        // Row r of `a`, and column r of `b`, over the depth.
        let a = |r: usize, k: usize| number(1, r * DEEP + k);
        let b = |c: usize, k: usize| number(2, c * DEEP + k);
        let tiles = |of: &dyn Fn(&mut Vec<Line>)| {
            let mut lines = vec![Line([0; 64]); DEEP / DEPTH * LINES];
            of(&mut lines);
            lines
        };
        let left = |first: usize| {
            tiles(&|lines| {
                for (r, k) in (0..SIDE).flat_map(|r| (0..DEEP).map(move |k| (r, k))) {
                    put(
                        &mut lines[k / DEPTH * LINES + r],
                        k % DEPTH,
                        a(first + r, k),
                    );
                }
            })
        };
        let right = |first: usize| {
            tiles(&|lines| {
                for (c, k) in (0..SIDE).flat_map(|c| (0..DEEP).map(move |k| (c, k))) {
                    let line = &mut lines[k / DEPTH * LINES + k % DEPTH / 2];
                    put(line, 2 * c + k % 2, b(first + c, k));
                }
            })
        };
        let (a0, a1, b0, b1) = (left(0), left(SIDE), right(0), right(SIDE));
        let mut sums = Sums::ZERO;
        unit.multiply(Factors(&a0, &a1), Factors(&b0, &b1), &mut sums, false);
        let right = |r: usize, c: usize| (0..DEEP).map(|k| a(r, k) * b(c, k)).sum::<f32>();
        for (r, c) in (0..32).flat_map(|r| (0..32).map(move |c| (r, c))) {
            assert_eq!(sums.0[r][c], right(r, c), "{r} {c}");
        }
        unit.multiply(Factors(&a0, &a1), Factors(&b0, &b1), &mut sums, true);
        assert_eq!(sums.0[17][3], 2.0 * right(17, 3));
    }
}
