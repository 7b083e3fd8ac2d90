// Every kernel, for nvcc, Metal and the host's compiler alike.
#include "compat.h"

#include "small.inl"
#include "weights.inl"
#include "cache.inl"
#include "attention.inl"
#include "window.inl"
#include "largest.inl"

// For devices with instructions for products of matrices and of bytes, and for those without.
#if !defined(__METAL_VERSION__)
#include "unpack.inl"
#include "integers.inl"
#include "tiles.inl"
#endif
#if !defined(__CUDACC__)
#include "product.inl"
#endif

// Kernels that try the host's side itself.
#if !defined(__CUDACC__) && !defined(__METAL_VERSION__)
#include "test.inl"
#endif
