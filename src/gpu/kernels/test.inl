// Kernels for the tests of the emulated device.

struct TryArgs {
  const float *x;
  const u32 *words;
  float *out;
  u32 count;
  u32 kind;
};

// out[group] = Σ x, each group's share by halves: `BARRIER` and `SHARED` in a function.
template <typename T> DEVICE void try_halves(const TryArgs &a) {
  SHARED(T, part, 1024);
  u32 i = GROUP_X * THREADS + THREAD;
  part[THREAD] = from_float<T>(i < a.count ? a.x[i] : 0.0f);
  BARRIER();
  for (u32 n = THREADS / 2; n > 0; n /= 2) {
    if (THREAD < n) part[THREAD] = from_float<T>(to_float(part[THREAD]) + to_float(part[THREAD + n]));
    BARRIER();
  }
  if (THREAD == 0) a.out[GROUP_X] = to_float(part[0]);
}
KERNEL_SHARING(try_sum_f32, TryArgs, SHARES(float, 1024)) { try_halves<float>(a); }
KERNEL_SHARING(try_sum_f16, TryArgs, SHARES(f16, 1024)) { try_halves<f16>(a); }

// out[thread]: sums, greatest and neighbours within warps.
KERNEL(try_warp, TryArgs) {
  float x = a.x[THREAD];
  if (a.kind == 0) x = warp_sum(x);
  if (a.kind == 1) x = warp_max(x);
  if (a.kind == 2) x = lane_xor(x, 5);
  if (a.kind == 3)
    for (u32 i = 0; i < 40; i++) x = to_float(lane_xor(from_float<f16>(x), i % 32)) + 0.0f;
  a.out[THREAD] = x;
}

// out[16, 8] = x[16, 16] · x[16 × 16 onwards: 16, 8] by one `mma`.
template <typename T> DEVICE void try_mma(const TryArgs &a) {
  const float *left = a.x, *right = a.x + 256;
  u32 row = LANE / 4, column = LANE % 4 * 2;
  u32 x[4], y[2];
  float c[4] = {0, 0, 0, 0};
  for (u32 i = 0; i < 4; i++) {
    const float *at = left + (row + i % 2 * 8) * 16 + column + i / 2 * 8;
    x[i] = pack(at[0], at[1], T());
  }
  for (u32 i = 0; i < 2; i++) {
    const float *at = right + (column + i * 8) * 8 + row;
    y[i] = pack(at[0], at[8], T());
  }
  mma(c, x, y, T());
  mma(c, x, y, T());
  for (u32 i = 0; i < 4; i++) a.out[(row + i / 2 * 8) * 8 + column + i % 2] = c[i];
}
KERNEL(try_mma_f16, TryArgs) { try_mma<f16>(a); }
KERNEL(try_mma_bf16, TryArgs) { try_mma<bf16>(a); }

// Each thread notes its place in the order: only one runs at a time.
KERNEL(try_order, TryArgs) {
  u32 *next = (u32 *)a.words;
  a.out[GROUP_X * THREADS + THREAD] = (float)(*next)++;
}

// What shared memory holds at first, declared and asked for.
KERNEL_SHARING(try_unset, TryArgs, SHARES(float, 4)) {
  SHARED(float, own, 4);
  float *asked = (float *)shared_dynamic();
  a.out[0] = own[3];
  a.out[1] = asked[5];
  BARRIER();
  own[3] = asked[5] = 1;
}

// Bugs that kernels may have.
KERNEL_SHARING(try_bugs, TryArgs, SHARES(float, 4)) {
  SHARED(float, own, 4);
  if (a.kind == 0 && THREAD == 7) return;
  if (a.kind == 1 && THREAD == 7) {
    BARRIER();
  }
  if (a.kind == 2 && THREAD < 32) WARP_BARRIER();
  if (a.kind == 3 && THREAD == 40) WARP_BARRIER();
  if (a.kind == 4) own[4 + THREAD] = 1;
  if (a.kind == 5) a.out[a.count] = 1;
  BARRIER();
}

// More shared memory than the kernel says.
KERNEL_SHARING(try_greedy, TryArgs, SHARES(float, 4)) {
  SHARED(float, own, 4);
  SHARED(float, more, 1);
  own[0] = more[0] = 1;
}

// Numbers of two bytes and back: count words, f16 in the low half of the result and bf16 in the high one.
KERNEL(try_numbers, TryArgs) {
  u32 i = GROUP_X * THREADS + THREAD;
  if (i >= a.count) return;
  f16 h = from_float<f16>(a.x[i]);
  bf16 b = from_float<bf16>(a.x[i]);
  ((u32 *)a.out)[i] = h.bits | (u32)b.bits << 16;
  ((float *)a.words)[i] = to_float(h);
}

// What copies have brought: nothing before they are waited for, then all but those of the last end.
KERNEL(try_copies, TryArgs) {
  float *to = (float *)shared_dynamic();
  for (u32 i = 0; i < 8; i++) to[i] = 1;
  copy16_later(to, a.x);
  copies_end();
  copy16_later(to + 4, a.x + 4);
  copies_end();
  if (a.kind == 1) copies_wait<1>();
  if (a.kind == 2) copies_wait<0>();
  if (a.kind == 3) copy16_later(to + 1, a.x);
  for (u32 i = 0; i < 8; i++) a.out[i] = to[i];
}
