//! Packed low-bit weight matrices.
