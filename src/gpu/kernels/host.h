// The dialect of `compat.h` on the host: names, numbers, mathematics. `fibers.h` runs the threads.
#pragma once

#include <cmath>
#include <cstring>

#include "fibers.h"

#define DEVICE static inline
// Besides the body, what the host calls: `cachat_run_NAME`, which returns what went wrong or null, and
// `cachat_size_NAME` and `cachat_shares_NAME`, the bytes of the arguments and those that KERNEL says are shared.
#define KERNEL_BOUNDS(name, Arguments, bound, groups, promise)                                            \
  static void cachat_body_##name(const Arguments &a);                                                     \
  static void cachat_thread_##name(const void *a) { cachat_body_##name(*(const Arguments *)a); }          \
  extern "C" CACHAT_SEEN const char *cachat_run_##name(const void *bytes, const u32 *grid, u32 threads,   \
                                                       u32 shared, u64 seed) {                            \
    Arguments arguments;                                                                                  \
    std::memcpy((void *)&arguments, bytes, sizeof(Arguments));                                            \
    return cachat::run(#name, cachat_thread_##name, &arguments, grid, threads, bound, promise, shared, seed); \
  }                                                                                                       \
  extern "C" CACHAT_SEEN u32 cachat_size_##name() { return sizeof(Arguments); }                           \
  extern "C" CACHAT_SEEN u32 cachat_shares_##name() { return promise; }                                   \
  static void cachat_body_##name(const Arguments &a)
#define KERNEL_SHARING(name, Arguments, promise) KERNEL_BOUNDS(name, Arguments, cachat::MOST_THREADS, 1, promise)
#define KERNEL(name, Arguments) KERNEL_SHARING(name, Arguments, 0)
#define KERNEL_EARLY KERNEL_BOUNDS
#define CACHAT_SEEN __attribute__((visibility("default")))

#define GROUP_X (cachat::here->group[0])
#define GROUP_Y (cachat::here->group[1])
#define GROUP_Z (cachat::here->group[2])
#define GROUPS_X (cachat::here->groups[0])
#define GROUPS_Y (cachat::here->groups[1])
#define GROUPS_Z (cachat::here->groups[2])
#define THREAD (cachat::here->thread)
#define THREADS (cachat::here->threads)

// As on a GPU, a declaration has one place, however often it is passed: it is known by its `static`.
#define SHARED(type, name, count) \
  static const char cachat_site_##name = 0; \
  auto &name = *(cachat::Same<type[count]> *)cachat::shared(&cachat_site_##name, sizeof(type[count]), #name)
#define CACHAT_TEXT_OF(x) #x
#define CACHAT_TEXT(x) CACHAT_TEXT_OF(x)
#define CACHAT_PLACE __FILE__ ":" CACHAT_TEXT(__LINE__)
#define BARRIER() cachat::meet_group("BARRIER at " CACHAT_PLACE)
#define WARP_BARRIER() cachat::meet_warp("WARP_BARRIER at " CACHAT_PLACE)
#define UNROLL
#define UNROLL_BY(n)

DEVICE u8 *shared_dynamic() { return cachat::here->arena; }

// Copies are made as late as they may be.
DEVICE void copy16_later(void *to, const void *from) {
  cachat::Fiber &mine = cachat::here->fibers[THREAD];
  if (((uintptr_t)to | (uintptr_t)from) % 16 != 0) cachat::fail(cachat::here, "a copy that is not aligned");
  mine.copies.push_back({to, from, mine.ends});
}
DEVICE void copies_end() { cachat::here->fibers[THREAD].ends++; }
template <int n> DEVICE void copies_wait() {
  cachat::Fiber &mine = cachat::here->fibers[THREAD];
  size_t done = 0;
  for (; done < mine.copies.size() && mine.copies[done].ends + n < mine.ends; done++)
    std::memcpy(mine.copies[done].to, mine.copies[done].from, 16);
  mine.copies.erase(mine.copies.begin(), mine.copies.begin() + done);
}
DEVICE void launched_before() {}
DEVICE u32 funnel(u32 low, u32 high, u32 bits) { return (u32)(((u64)high << 32 | low) >> bits); }
DEVICE u32 byte_perm(u32 low, u32 high, u32 which) {
  u64 both = (u64)high << 32 | low;
  u32 out = 0;
  for (u32 i = 0; i < 4; i++) out |= (u32)(both >> (8 * (which >> (4 * i) & 7)) & 255) << (8 * i);
  return out;
}

// Numbers of two bytes. Conversions round to the nearest, ties to even.
struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

namespace cachat {
template <typename T> using Same = T;

static inline float float_of(u32 bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
static inline u32 bits_of(float x) {
  u32 bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
static inline float wide(f16 x) {
  u32 sign = (u32)(x.bits & 0x8000) << 16, rest = (u32)(x.bits & 0x7fff) << 13;
  if (rest >= 0x7c00u << 13) return float_of(sign | rest | 0x7f800000);  // infinite, or not a number
  // 2^112 takes the exponent from one bias to the other, and subnormal numbers along.
  return float_of(sign | bits_of(float_of(rest) * float_of(0x77800000)));
}
static inline float wide(bf16 x) { return float_of((u32)x.bits << 16); }
static inline u16 half_bits(float x) {
  u32 bits = bits_of(x), sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return 0x7fff;
  if (bits >= 0x477ff000) return sign | 0x7c00;  // 65520 and above
  // Subnormal: adding 0.5 leaves the wanted bits as the last ones, rounded.
  if (bits < 0x38800000) return sign | (bits_of(float_of(bits) + 0.5f) - 0x3f000000);
  return sign | ((bits + 0xc8000fff + (bits >> 13 & 1)) >> 13);
}
static inline u16 brain_bits(float x) {
  u32 bits = bits_of(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
}  // namespace cachat

DEVICE float to_float(float x) { return x; }
DEVICE float to_float(f16 x) { return cachat::wide(x); }
DEVICE float to_float(bf16 x) { return cachat::wide(x); }
template <typename T> DEVICE T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline f16 from_float<f16>(float x) { return f16{cachat::half_bits(x)}; }
template <> inline bf16 from_float<bf16>(float x) { return bf16{cachat::brain_bits(x)}; }

DEVICE u32 pack(float a, float b, f16) { return cachat::half_bits(a) | (u32)cachat::half_bits(b) << 16; }
DEVICE u32 pack(float a, float b, bf16) { return cachat::brain_bits(a) | (u32)cachat::brain_bits(b) << 16; }

template <typename T> DEVICE T lane_xor(T x, int mask) {
  static_assert(sizeof(T) <= 8, "lanes exchange 8 bytes");
  cachat::Exchange to("lane_xor");
  std::memcpy(&to.warp.lanes[to.turn][to.lane], &x, sizeof(T));
  to.meet();
  std::memcpy((void *)&x, &to.warp.lanes[to.turn][(to.lane ^ mask) & 31], sizeof(T));
  return x;
}
namespace cachat {
// The tree of `compat.h`, once for all 32: sums are the same to the last bit.
template <typename F> static inline float tree(float x, const char *what, F join) {
  Exchange to(what);
  float *all = to.warp.floats[to.turn];
  all[to.lane] = x;
  if (to.last())
    for (int m = 16; m > 0; m >>= 1)
      for (int lane = 0; lane < m; lane++) all[lane] = join(all[lane], all[lane + m]);
  to.meet();
  return all[0];
}
// A fragment has two columns (`a`) or two rows (`b`) in a word.
template <typename T> static inline void mma(float *c, const u32 *a, const u32 *b) {
  Exchange to("mma");
  auto &left = to.warp.left[to.turn];
  auto &right = to.warp.right[to.turn];
  u32 row = to.lane / 4, column = to.lane % 4 * 2;
  for (u32 i = 0; i < 4; i++)
    for (u32 half = 0; half < 2; half++)
      left[row + i % 2 * 8][column + i / 2 * 8 + half] = wide(T{(u16)(a[i] >> 16 * half)});
  for (u32 i = 0; i < 2; i++)
    for (u32 half = 0; half < 2; half++)
      right[column + i * 8 + half][row] = wide(T{(u16)(b[i] >> 16 * half)});
  auto &product = to.warp.product[to.turn];
  // Who comes last multiplies for all: rows at a time are faster than single numbers.
  if (to.last()) {
    std::memset(product, 0, sizeof product);
    for (u32 i = 0; i < 16; i++)
      for (u32 k = 0; k < 16; k++)
        for (u32 j = 0; j < 8; j++) product[i][j] += left[i][k] * right[k][j];
  }
  to.meet();
  for (u32 i = 0; i < 4; i++) c[i] += product[row + i / 2 * 8][column + i % 2];
}
template <bool TURNED> static inline void matrices(u32 *w, const void *row) {
  Exchange to(TURNED ? "load_turned" : "load_matrices");
  if ((uintptr_t)row % 16 != 0) fail(here, "a row of a matrix that is not aligned");
  u64 at = (uintptr_t)row;
  std::memcpy(&to.warp.lanes[to.turn][to.lane], &at, 8);
  to.meet();
  u32 r = to.lane / 4, c = to.lane % 4 * 2;
  for (u32 i = 0; i < 4; i++) {
    auto number = [&](u32 row, u32 column) { return ((const u16 *)(uintptr_t)to.warp.lanes[to.turn][8 * i + row])[column]; };
    w[i] = TURNED ? number(c, r) | (u32)number(c + 1, r) << 16 : number(r, c) | (u32)number(r, c + 1) << 16;
  }
}
}  // namespace cachat

DEVICE void load_matrices(u32 *w, const void *row) { cachat::matrices<false>(w, row); }
DEVICE void load_turned(u32 *w, const void *row) { cachat::matrices<true>(w, row); }
DEVICE float two_to(float x) { return exp2f(x); }
DEVICE float warp_sum(float x) {
  return cachat::tree(x, "warp_sum", [](float a, float b) { return a + b; });
}
DEVICE float warp_max(float x) {
  return cachat::tree(x, "warp_max", [](float a, float b) { return fmaxf(a, b); });
}
DEVICE void mma(float *c, const u32 *a, const u32 *b, f16) { cachat::mma<f16>(c, a, b); }
DEVICE void mma(float *c, const u32 *a, const u32 *b, bf16) { cachat::mma<bf16>(c, a, b); }

// What CUDA has of itself.
#define __expf expf
#define __logf logf
#define __cosf cosf
#define __sinf sinf
#define __fdividef(a, b) ((a) / (b))
#define rsqrtf(x) (1.0f / sqrtf(x))  // which newer C libraries have, and older ones do not
DEVICE u32 __float_as_uint(float x) { return cachat::bits_of(x); }
DEVICE float __uint_as_float(u32 x) { return cachat::float_of(x); }
DEVICE int min(int a, int b) { return a < b ? a : b; }
DEVICE int max(int a, int b) { return a > b ? a : b; }
DEVICE u32 min(u32 a, u32 b) { return a < b ? a : b; }
DEVICE u32 max(u32 a, u32 b) { return a > b ? a : b; }
DEVICE u64 min(u64 a, u64 b) { return a < b ? a : b; }
DEVICE u64 max(u64 a, u64 b) { return a > b ? a : b; }
DEVICE float min(float a, float b) { return fminf(a, b); }
DEVICE float max(float a, float b) { return fmaxf(a, b); }
DEVICE int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8) c += (int)(i8)(a >> i) * (int)(i8)(b >> i);
  return c;
}
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { u32 x, y; };
struct alignas(16) uint4 { u32 x, y, z, w; };
DEVICE float2 make_float2(float x, float y) { return {x, y}; }
DEVICE float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
DEVICE uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
DEVICE uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
