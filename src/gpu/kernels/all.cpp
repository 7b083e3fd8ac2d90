// Every kernel, for nvcc and for the host's compiler alike.
#include "compat.h"

#include "small.inl"
#include "weights.inl"
#include "unpack.inl"
#include "integers.inl"
#include "cache.inl"
#include "attention.inl"
#include "tiles.inl"
#include "window.inl"
#include "largest.inl"

// Kernels that try the host's side itself.
#if !defined(__CUDACC__)
#include "test.inl"
#endif
