// All kernels, for nvcc and for the host's compiler.
#include "compat.h"

#include "small.inl"
#include "weights.inl"
#include "cache.inl"
#include "attention.inl"
#include "tiles.inl"
#include "window.inl"
