// Kernels over rows of numbers.

// Writes single words: what differs from token to token (its id, its position, new pages).
struct PokeArgs {
  const u64 *pairs;  // [count][address, value | bytes << 62 …]: see below
  u32 count;
  u32 pad;
};
// A pair is an address and a value; bit 0 of the address says that the value is 4 bytes wide, not 8.
KERNEL(poke, PokeArgs) {
  u32 i = GROUP_X * THREADS + THREAD;
  if (i >= a.count) return;
  u64 at = a.pairs[2 * i], value = a.pairs[2 * i + 1];
  if (at & 1) *(u32 *)(at - 1) = (u32)value;
  else *(u64 *)at = value;
}

// out[row] = x[row] / rms(x[row]) * weight. A group per row.
struct RmsNormArgs {
  const float *x;
  const float *weight;
  float *out;
  u32 width;
  float epsilon;
};
KERNEL(rms_norm, RmsNormArgs) {
  SHARED(float, sums, 32);
  const float *x = a.x + (u64)GROUP_X * a.width;
  float *out = a.out + (u64)GROUP_X * a.width;
  float sum = 0;
  for (u32 i = THREAD; i < a.width; i += THREADS) sum += x[i] * x[i];
  sum = warp_sum(sum);
  if (LANE == 0) sums[WARP] = sum;
  BARRIER();
  sum = 0;
  for (u32 w = 0; w < WARPS; w++) sum += sums[w];
  float by = 1.0f / sqrtf(sum / (float)a.width + a.epsilon);
  for (u32 i = THREAD; i < a.width; i += THREADS) out[i] = x[i] * by * a.weight[i];
}
