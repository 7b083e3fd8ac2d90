// Products of large matrices, where the device has no library for them: tiles of 64 rows by 64 outputs by plain sums.

struct ProductArgs {
  GLOBAL const void *weight;  // [outputs, inputs]
  GLOBAL const void *x;       // [rows, inputs]
  GLOBAL float *out;          // [rows, outputs], rows `stride` numbers apart
  u32 rows, inputs, outputs, stride;
};
#define TILE 64
#define DEPTH 16        // inputs at a time
#define APART (TILE + 4)  // of inputs in shared memory: lanes hit different banks

// 8 inputs of a row from `from` on; 0 where there is no such row or input.
template <typename T>
DEVICE void eight_of(GLOBAL const T *all, u32 row, u32 rows, u32 from, u32 inputs, OWN float *out) {
  // Then all rows stand as `load8` wants them.
  if (row < rows && inputs % 8 == 0 && from < inputs) {
    load8(all + (u64)row * inputs + from, out);
    return;
  }
  UNROLL for (int i = 0; i < 8; i++)
    out[i] = row < rows && from + i < inputs ? to_float(all[(u64)row * inputs + from + i]) : 0.0f;
}
// A group per tile of outputs (x) and of rows (y), 128 threads with 8 rows by 4 outputs each.
template <typename T> DEVICE void product(WHERE FIXED const ProductArgs &a) {
  SHARED(float, xs, DEPTH * APART);
  SHARED(float, ws, DEPTH * APART);
  GLOBAL const T *x = (GLOBAL const T *)a.x;
  GLOBAL const T *w = (GLOBAL const T *)a.weight;
  const u32 top = GROUP_Y * TILE, first = GROUP_X * TILE;
  const u32 mine = THREAD / 2, part = THREAD % 2 * 8;  // what the thread loads
  const u32 row = THREAD / 16 * 8, output = THREAD % 16 * 4;
  float sum[8][4];
  UNROLL for (int i = 0; i < 8; i++) UNROLL for (int j = 0; j < 4; j++) sum[i][j] = 0;
  for (u32 from = 0; from < a.inputs; from += DEPTH) {
    float v[8];
    eight_of(x, top + mine, a.rows, from + part, a.inputs, v);
    UNROLL for (int i = 0; i < 8; i++) xs[(part + i) * APART + mine] = v[i];
    eight_of(w, first + mine, a.outputs, from + part, a.inputs, v);
    UNROLL for (int i = 0; i < 8; i++) ws[(part + i) * APART + mine] = v[i];
    BARRIER();
    for (u32 k = 0; k < DEPTH; k++) {
      float p[8], q[4];
      UNROLL for (int i = 0; i < 8; i++) p[i] = xs[k * APART + row + i];
      UNROLL for (int j = 0; j < 4; j++) q[j] = ws[k * APART + output + j];
      UNROLL for (int i = 0; i < 8; i++) UNROLL for (int j = 0; j < 4; j++) sum[i][j] += p[i] * q[j];
    }
    BARRIER();
  }
  for (u32 i = 0; i < 8; i++) {
    if (top + row + i >= a.rows) break;
    GLOBAL float *to = a.out + (u64)(top + row + i) * a.stride + first + output;
    for (u32 j = 0; j < 4; j++)
      if (first + output + j < a.outputs) to[j] = sum[i][j];
  }
}
#define PRODUCT(T, name) \
  KERNEL_BOUNDS(product_##name, ProductArgs, 128, 1, 2 * SHARES(float, DEPTH * APART)) { product<T>(HERE a); }
PRODUCT(float, f32) PRODUCT(f16, f16) PRODUCT(bf16, bf16)
