// The dialect of `compat.h` in Metal's language. A function that is no kernel knows neither its place nor memory of the
// group: kernels make a `Place` and hand it on (WHERE, HERE).
#pragma once

#include <metal_stdlib>
using namespace metal;

typedef ulong u64;
typedef half f16;
// By its bits: types of Metal's own for it came later (3.1), and rounding is ours.
struct bf16 {
  u16 bits;
};

#define GLOBAL device
#define LOCAL threadgroup
#define OWN thread
#define FIXED constant
#define WHERE thread Place &place,
#define HERE place,
#define DEVICE static inline

struct Place {
  uint3 group, groups;
  u32 index, threads;
  threadgroup u8 *declared;  // memory for what SHARED declares
  threadgroup u8 *asked;     // what the launch asks for
  u32 used;                  // of `declared`
};

#define KERNEL_BODY(limit, name, Arguments, bytes)                                                            \
  static inline void cachat_body_##name(thread Place &place, constant Arguments &a);                          \
  limit kernel void name(constant Arguments &a [[buffer(0)]], threadgroup u8 *asked [[threadgroup(0)]],       \
                         uint3 group [[threadgroup_position_in_grid]], uint3 groups [[threadgroups_per_grid]], \
                         uint index [[thread_index_in_threadgroup]], uint3 threads [[threads_per_threadgroup]]) { \
    threadgroup uint4 declared[(bytes) / 16 + 1];                                                             \
    Place place = {group, groups, index, threads.x, (threadgroup u8 *)declared, asked, 0};                    \
    cachat_body_##name(place, a);                                                                             \
  }                                                                                                           \
  static inline void cachat_body_##name(thread Place &place, constant Arguments &a)
#define NO_LIMIT
#define KERNEL(name, Arguments) KERNEL_BODY(NO_LIMIT, name, Arguments, 0)
#define KERNEL_SHARING(name, Arguments, bytes) KERNEL_BODY(NO_LIMIT, name, Arguments, bytes)
#define KERNEL_BOUNDS(name, Arguments, most, groups, bytes) \
  KERNEL_BODY([[max_total_threads_per_threadgroup(most)]], name, Arguments, bytes)

#define GROUP_X (place.group.x)
#define GROUP_Y (place.group.y)
#define GROUP_Z (place.group.z)
#define GROUPS_X (place.groups.x)
#define GROUPS_Y (place.groups.y)
#define GROUPS_Z (place.groups.z)
#define THREAD (place.index)
#define THREADS (place.threads)
#define SHARED(type, name, count)                                                     \
  threadgroup type *name = (threadgroup type *)(place.declared + place.used);         \
  place.used += SHARES(type, count)
#define shared_dynamic() (place.asked)
// As `__syncthreads`, also for what the group wrote to the device's memory.
#define BARRIER() threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device)
#define WARP_BARRIER() simdgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device)
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_BY_TEXT(text) _Pragma(#text)
#define UNROLL_BY(n) UNROLL_BY_TEXT(clang loop unroll_count(n))

// The driver makes sure that 32 threads are one SIMD group.
template <typename T> DEVICE T lane_xor(T x, int mask) { return simd_shuffle_xor(x, (ushort)mask); }
DEVICE float warp_sum(float x) {
  UNROLL for (int m = 16; m > 0; m >>= 1) x += lane_xor(x, m);
  return x;
}
DEVICE float warp_max(float x) {
  UNROLL for (int m = 16; m > 0; m >>= 1) x = fmax(x, lane_xor(x, m));
  return x;
}

DEVICE float to_float(float x) { return x; }
DEVICE float to_float(f16 x) { return (float)x; }
DEVICE float to_float(bf16 x) { return as_type<float>((u32)x.bits << 16); }
template <typename T> DEVICE T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline f16 from_float<f16>(float x) { return (f16)x; }
template <> inline bf16 from_float<bf16>(float x) {
  u32 bits = as_type<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{(u16)0x7fff};
  return bf16{(u16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

// What CUDA calls otherwise.
#define fmaxf(a, b) fmax(a, b)
#define fminf(a, b) fmin(a, b)
#define fabsf(x) fabs(x)
#define sqrtf(x) sqrt(x)
#define expf(x) exp(x)
#define logf(x) log(x)
#define cosf(x) cos(x)
#define sinf(x) sin(x)
// Behind 10 it is 1 in any case, and what some make of larger numbers is none.
#define tanhf(x) tanh(fmin(fmax(x, -10.0f), 10.0f))
#define frexpf(x, exponent) frexp(x, *(exponent))
#define ldexpf(x, exponent) ldexp(x, exponent)
#define __float_as_uint(x) as_type<u32>((float)(x))
#define __uint_as_float(x) as_type<float>((u32)(x))
