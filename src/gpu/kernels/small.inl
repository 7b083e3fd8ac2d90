// Kernels over rows of numbers.

// Writes single words: what differs from token to token (its id, its position, new pages).
struct PokeArgs {
  GLOBAL const u64 *pairs;  // [count][address, value]
  u32 count;
  u32 pad;
};
// A pair is an address and a value; bit 0 of the address says that the value is 4 bytes wide, not 8.
KERNEL(poke, PokeArgs) {
  u32 i = GROUP_X * THREADS + THREAD;
  if (i >= a.count) return;
  u64 at = a.pairs[2 * i], value = a.pairs[2 * i + 1];
  if (at & 1) *(GLOBAL u32 *)(at - 1) = (u32)value;
  else *(GLOBAL u64 *)at = value;
}

// out[row] = x[row] / rms(x[row]) * weight. A group per row.
struct RmsNormArgs {
  GLOBAL const float *x;
  GLOBAL const float *weight;
  GLOBAL float *out;
  u32 width;
  float epsilon;
};
KERNEL_SHARING(rms_norm, RmsNormArgs, SHARES(float, 32)) {
  SHARED(float, sums, 32);
  GLOBAL const float *x = a.x + (u64)GROUP_X * a.width;
  GLOBAL float *out = a.out + (u64)GROUP_X * a.width;
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

// Rows for a product, as another type; where `by` is given, each over a power of two so that none leaves the type's
// range, and that power to `by`. A group per row.
struct ConvertArgs {
  GLOBAL const float *x;
  GLOBAL void *out;
  GLOBAL float *by;
  u32 width;
  u32 pad;
};
template <typename T> DEVICE void convert(WHERE FIXED const ConvertArgs &a) {
  SHARED(float, most, 32);
  GLOBAL const float *x = a.x + (u64)GROUP_X * a.width;
  GLOBAL T *out = (GLOBAL T *)a.out + (u64)GROUP_X * a.width;
  float scale = 1.0f;
  if (a.by) {
    float max = 0;
    for (u32 i = THREAD; i < a.width; i += THREADS) max = fmaxf(max, fabsf(x[i]));
    max = warp_max(max);
    if (LANE == 0) most[WARP] = max;
    BARRIER();
    for (u32 w = 0; w < WARPS; w++) max = fmaxf(max, most[w]);
    int exponent = 0;
    frexpf(max, &exponent);
    exponent = max > 0 && exponent > -100 && exponent < 120 ? exponent - 9 : 0;
    scale = ldexpf(1.0f, -exponent);
    if (THREAD == 0) a.by[GROUP_X] = ldexpf(1.0f, exponent);
  }
  for (u32 i = THREAD; i < a.width; i += THREADS) out[i] = from_float<T>(x[i] * scale);
}
KERNEL_SHARING(convert_f16, ConvertArgs, SHARES(float, 32)) { convert<f16>(HERE a); }
KERNEL_SHARING(convert_bf16, ConvertArgs, SHARES(float, 32)) { convert<bf16>(HERE a); }

// What stands behind a product: rows times numbers of their own, times scales, plus bias.
struct BehindArgs {
  GLOBAL float *x;
  GLOBAL const float *by;      // [rows], or null
  GLOBAL const float *scales;  // [width], or null
  GLOBAL const float *bias;    // [width], or null
  u32 width;
  u32 rows;
};
KERNEL(behind, BehindArgs) {
  u64 i = (u64)GROUP_X * THREADS + THREAD;
  if (i >= (u64)a.width * a.rows) return;
  u32 o = (u32)(i % a.width);
  float y = a.x[i];
  if (a.by) y *= a.by[i / a.width];
  if (a.scales) y *= a.scales[o];
  if (a.bias) y += a.bias[o];
  a.x[i] = y;
}

// out := x op y, where each number of y serves `each` of x.
struct ElementwiseArgs {
  GLOBAL const float *x;
  GLOBAL const float *y;
  GLOBAL float *out;
  u64 count;
  u32 each;
  u32 op;
  float by;
  u32 pad;
};
enum : u32 { OP_ADD, OP_TIMES, OP_OPEN, OP_SCALE };
KERNEL(elementwise, ElementwiseArgs) {
  u64 i = (u64)GROUP_X * THREADS + THREAD;
  if (i >= a.count) return;
  float x = a.x[i];
  if (a.op == OP_SCALE) {
    a.out[i] = x * a.by;
    return;
  }
  float y = a.y[i / a.each];
  a.out[i] = a.op == OP_ADD ? x + y : a.op == OP_TIMES ? x * y : x / (1.0f + expf(-y));
}

// gate(g) · u
enum : u32 { GATE_SILU, GATE_GELU, GATE_CLAMPED };
DEVICE float gate_of(u32 gate, float g, float u) {
  if (gate == GATE_GELU) {
    float t = tanhf(0.79788456080286535588f * g * (1.0f + 0.044715f * g * g));
    return 0.5f * g * (1.0f + t) * u;
  }
  if (gate == GATE_CLAMPED) {
    g = fminf(g, 7.0f);
    u = fminf(fmaxf(u, -7.0f), 7.0f) + 1.0f;
    return g / (1.0f + expf(-1.702f * g)) * u;
  }
  return g / (1.0f + expf(-g)) * u;
}
// out[row][i] = gate(x[row][i]) · x[row][width + i]
struct GatedArgs {
  GLOBAL const float *x;
  GLOBAL float *out;
  u64 count;
  u32 width;
  u32 gate;
};
KERNEL(gated, GatedArgs) {
  u64 at = (u64)GROUP_X * THREADS + THREAD;
  if (at >= a.count) return;
  u64 row = at / a.width;
  u32 i = (u32)(at % a.width);
  GLOBAL const float *x = a.x + row * 2 * a.width + i;
  a.out[at] = gate_of(a.gate, x[0], x[a.width]);
}

// Columns of rows: runs of `every` numbers, of each `len` from `from` on, to a place of rows `to_width` wide.
struct ColumnsArgs {
  GLOBAL const float *x;
  GLOBAL float *out;
  u64 count;  // numbers that are copied
  u32 width, every, from, len;
  u32 to_width, to;
};
KERNEL(columns, ColumnsArgs) {
  u64 at = (u64)GROUP_X * THREADS + THREAD;
  if (at >= a.count) return;
  u32 each = a.width / a.every * a.len;
  u64 row = at / each;
  u32 j = (u32)(at % each);
  float x = a.x[row * a.width + (u64)(j / a.len) * a.every + a.from + j % a.len];
  a.out[row * a.to_width + a.to + j] = x;
}

// Numbers from one place to another.
struct CopyRowsArgs {
  GLOBAL const float *x;
  GLOBAL float *out;
  u64 count;
};
KERNEL(copy_rows, CopyRowsArgs) {
  u64 i = (u64)GROUP_X * THREADS + THREAD;
  if (i < a.count) a.out[i] = a.x[i];
}
