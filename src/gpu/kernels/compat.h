// The dialect that the kernels are written in: CUDA C++, Metal's language, or C++ of the host with a fiber per thread.
//
//   KERNEL(name, Arguments)    a kernel; its body sees `a`, the arguments
//   KERNEL_SHARING(name, Arguments, bytes)
//                              the same where its SHARED come to so many bytes at most: a sum of SHARES(type, count)
//   KERNEL_BOUNDS(name, Arguments, threads, groups, bytes)
//                              the same for groups of so many threads at most, so many of which should run side by
//                              side on a multiprocessor
//   KERNEL_EARLY(name, Arguments, threads, groups, bytes)
//                              one that may begin while the launches before it still run. It says itself when it needs
//                              what they wrote, by `launched_before()`, in every thread; the others do so at once
//   GROUP_X … THREAD, THREADS  place in the grid, place in the group, threads of it
//   SHARED(type, name, count)  memory of a group, in the body's outermost block
//   BARRIER()                  a rendezvous of the group
//   WARP_BARRIER()             a rendezvous of 32 threads
//   warp_sum(x), warp_max(x)   over 32 threads; all get the result
//   lane_xor(x, mask)          x of the lane `lane ^ mask`
//   shared_dynamic()           memory of a group, as much as the launch says
//   copy16_later(to, from)     16 bytes into it, both aligned to 16, while the thread goes on; `copies_end()` behind
//                              some of them, and `copies_wait<n>()` waits for the thread's own of all but the last n
//                              such ends
//   load_matrices(words, row)  four matrices of 8×8 16-bit numbers in shared memory: lane l says where row l % 8 of
//                              matrix l / 8 begins, and gets of each the two numbers of row l / 4 from column
//                              2(l % 4) on; `load_turned`, with rows and columns exchanged
//   two_to(x)                  2^x, as fast as can be
//   funnel, byte_perm, __dp4a  words of bytes
//
// Every thread of a group (of a warp) reaches a rendezvous, or none does. Nothing is taken to happen in
// lock-step. Metal has neither KERNEL_EARLY nor copies nor words of bytes: `all.cpp` leaves out what needs them.
//
// Metal has no pointer without a space: GLOBAL, what the device's addresses mean; LOCAL, memory of a group; OWN, a
// thread's; FIXED, the kernel's arguments. It knows places in the grid in kernels only: a function that asks for its
// place, or declares SHARED, has WHERE before its first parameter and is called with HERE before the first argument.
// Both are nothing elsewhere. `half`, `device`, `thread`, `kernel` and `constant` are words of Metal's own.
#pragma once

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
// Every SHARED begins at a multiple of 16 bytes.
#define SHARES(type, count) ((sizeof(type) * (count) + 15) / 16 * 16)

#if defined(__METAL_VERSION__)

// Metal: `metal.h` gives the same.
#include "metal.h"

#else

typedef unsigned long long u64;
#define GLOBAL
#define LOCAL
#define OWN
#define FIXED
#define WHERE
#define HERE

#endif

#if defined(__CUDACC__)

#include <cuda_fp16.h>
#include <cuda_bf16.h>

typedef __half f16;
typedef __nv_bfloat16 bf16;

#define DEVICE static __device__ __forceinline__
// Lets what comes next begin too, and waits for what was launched before, which has its end behind it then.
DEVICE void launched_before() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
#define KERNEL_OF(name, Arguments, bounds, begin)                         \
  DEVICE void name##_body(const Arguments &a);                            \
  extern "C" __global__ void bounds name(const __grid_constant__ Arguments a) { \
    begin;                                                                \
    name##_body(a);                                                       \
  }                                                                       \
  DEVICE void name##_body(const Arguments &a)
#define KERNEL(name, Arguments) KERNEL_OF(name, Arguments, , launched_before())
#define KERNEL_SHARING(name, Arguments, bytes) KERNEL(name, Arguments)
#define KERNEL_BOUNDS(name, Arguments, threads, groups, bytes) \
  KERNEL_OF(name, Arguments, __launch_bounds__(threads, groups), launched_before())
#define KERNEL_EARLY(name, Arguments, threads, groups, bytes) \
  KERNEL_OF(name, Arguments, __launch_bounds__(threads, groups), )
#define GROUP_X (blockIdx.x)
#define GROUP_Y (blockIdx.y)
#define GROUP_Z (blockIdx.z)
#define GROUPS_X (gridDim.x)
#define GROUPS_Y (gridDim.y)
#define GROUPS_Z (gridDim.z)
#define THREAD (threadIdx.x)
#define THREADS (blockDim.x)
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define BARRIER() __syncthreads()
#define WARP_BARRIER() __syncwarp()
#define UNROLL _Pragma("unroll")
#define UNROLL_BY_TEXT(text) _Pragma(#text)
#define UNROLL_BY(n) UNROLL_BY_TEXT(unroll n)

template <typename T> DEVICE T lane_xor(T x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
DEVICE float warp_sum(float x) {
  UNROLL for (int m = 16; m > 0; m >>= 1) x += lane_xor(x, m);
  return x;
}
DEVICE float warp_max(float x) {
  UNROLL for (int m = 16; m > 0; m >>= 1) x = fmaxf(x, lane_xor(x, m));
  return x;
}
DEVICE u8 *shared_dynamic() {
  extern __shared__ __align__(16) u8 cachat_dynamic[];
  return cachat_dynamic;
}
DEVICE void copy16_later(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from) : "memory");
}
DEVICE void copies_end() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> DEVICE void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }
DEVICE void load_matrices(u32 *w, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "r"((u32)__cvta_generic_to_shared(row)) : "memory");
}
DEVICE void load_turned(u32 *w, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "r"((u32)__cvta_generic_to_shared(row)) : "memory");
}
DEVICE float two_to(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// The low word of both, moved down by so many bits, below 32.
DEVICE u32 funnel(u32 low, u32 high, u32 bits) { return __funnelshift_r(low, high, bits); }
// Four bytes of both, by their places (three bits of each half byte of `which`).
DEVICE u32 byte_perm(u32 low, u32 high, u32 which) { return __byte_perm(low, high, which); }
DEVICE float to_float(float x) { return x; }
DEVICE float to_float(f16 x) { return __half2float(x); }
DEVICE float to_float(bf16 x) { return __bfloat162float(x); }
template <typename T> DEVICE T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ f16 from_float<f16>(float x) { return __float2half_rn(x); }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) { return __float2bfloat16_rn(x); }

// Two numbers in one word, the first in the low half.
DEVICE u32 pack(float a, float b, f16) {
  __half2 h = __floats2half2_rn(a, b);
  return *(u32 *)&h;
}
DEVICE u32 pack(float a, float b, bf16) {
  __nv_bfloat162 h = __floats2bfloat162_rn(a, b);
  return *(u32 *)&h;
}
// c[16×8] += a[16×16] · b[16×8] of a warp, in the registers of `mma.sync.m16n8k16`: lane l has of `c` the rows
// l/4 and l/4 + 8, columns 2(l%4) and the next: c[0..2] and c[2..4]; of `a` the words (row l/4, columns
// 2(l%4)…), (row + 8, same), (row, columns + 8), (row + 8, columns + 8); of `b` the words
// (rows 2(l%4)…, column l/4) and (rows + 8, column l/4).
DEVICE void mma(float *c, const u32 *a, const u32 *b, f16) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma(float *c, const u32 *a, const u32 *b, bf16) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#elif !defined(__METAL_VERSION__)

// The host: `host.h` gives the same with fibers.
#include "host.h"

#endif

#define WARP (THREAD / 32)
#define LANE (THREAD % 32)
#define WARPS (THREADS / 32)
