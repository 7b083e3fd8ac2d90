//! Reading and writing vectors wherever they begin. The standard library's own functions check their arguments where
//! debug assertions are on, and the intrinsics are built on them: that made the tests' kernels three times
//! slower. What is packed has an alignment of 1 and is read by one instruction either way.

#![allow(unsafe_code, reason = "reads by pointer")]

#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned<T>(T);

/// What stands at `p`, whatever its alignment.
///
/// # Safety
/// `p` is valid for reading a `T`.
#[inline(always)]
pub(in crate::model::kernels) unsafe fn read<T: Copy>(p: *const T) -> T {
    // SAFETY: the caller's promise; the struct is as large as `T` and may stand anywhere.
    unsafe { (*p.cast::<Unaligned<T>>()).0 }
}

/// Puts `x` at `p`, whatever its alignment.
///
/// # Safety
/// `p` is valid for writing a `T`.
#[inline(always)]
pub(in crate::model::kernels) unsafe fn write<T: Copy>(p: *mut T, x: T) {
    // SAFETY: as for `read`.
    unsafe { (*p.cast::<Unaligned<T>>()).0 = x }
}
