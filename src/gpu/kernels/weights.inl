// Weights as GGUF files store them, 16 of a row at a time, and products with a few rows.

// The types, by their numbers in GGUF.
enum : u32 {
  W_F32 = 0, W_F16 = 1, W_Q4_0 = 2, W_Q4_1 = 3, W_Q5_0 = 6, W_Q5_1 = 7, W_Q8_0 = 8, W_Q2_K = 10, W_Q3_K = 11,
  W_Q4_K = 12, W_Q5_K = 13, W_Q6_K = 14, W_IQ4_NL = 20, W_IQ4_XS = 23, W_BF16 = 30, W_MXFP4 = 39,
};

// 16 bytes from anywhere (`align` bytes of alignment), as words.
template <int align> DEVICE void bytes16(GLOBAL const u8 *p, OWN u32 *w) {
  if (align >= 16) {
#if defined(__CUDACC__) || defined(__METAL_VERSION__)
    uint4 v = *(GLOBAL const uint4 *)p;
    w[0] = v.x; w[1] = v.y; w[2] = v.z; w[3] = v.w;
#else
    for (int i = 0; i < 4; i++) w[i] = ((GLOBAL const u32 *)p)[i];
#endif
  } else if (align >= 4) {
    UNROLL for (int i = 0; i < 4; i++) w[i] = ((GLOBAL const u32 *)p)[i];
  } else if (align >= 2) {
    UNROLL for (int i = 0; i < 4; i++) w[i] = ((GLOBAL const u16 *)p)[2 * i] | (u32)((GLOBAL const u16 *)p)[2 * i + 1] << 16;
  } else {
    UNROLL for (int i = 0; i < 4; i++)
      w[i] = p[4 * i] | (u32)p[4 * i + 1] << 8 | (u32)p[4 * i + 2] << 16 | (u32)p[4 * i + 3] << 24;
  }
}
DEVICE float half_at(GLOBAL const u8 *p) { return to_float(*(GLOBAL const f16 *)p); }
DEVICE float half_of(u32 bits, f16) {
  u16 h = (u16)bits;
  return to_float(*(OWN const f16 *)&h);
}
DEVICE u32 byte_of(OWN const u32 *w, int i) { return w[i / 4] >> (8 * (i % 4)) & 255; }
DEVICE int iq4_of(u32 q) {
  // Four bytes of the table a word: −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113.
  u32 lo = q & 4 ? 0xf6eaddcfu : 0xbfad9881u;
  u32 hi = q & 4 ? 0x71594535u : 0x26190d01u;
  return (int)(i8)((q & 8 ? hi : lo) >> (8 * (q & 3)) & 255);
}
DEVICE int fp4_of(u32 q) {
  // Doubled: 0 1 2 3 4 6 8 12, then the same below 0.
  u32 m = (q & 4 ? 0x0c080604u : 0x03020100u) >> (8 * (q & 3)) & 255;
  return q & 8 ? -(int)m : (int)m;
}
DEVICE float bits_float(u32 x) {
  return __uint_as_float(x);
}
DEVICE float half_of(u32 bits, bf16) { return bits_float(bits << 16); }
DEVICE void scale_min(GLOBAL const u8 *scales, u32 s, OWN float *scale, OWN float *min) {
  u32 sc, m;
  if (s < 4) {
    sc = scales[s] & 63;
    m = scales[s + 4] & 63;
  } else {
    sc = (scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4;
    m = (scales[s + 4] >> 4) | (scales[s] >> 6) << 4;
  }
  *scale = (float)sc;
  *min = (float)m;
}

// Weights 16 u … 16 u + 15 of a row.
template <u32 F> DEVICE void decode(GLOBAL const u8 *row, u32 u, OWN float *out) {
  u32 w[4];
  if (F == W_F32) {
    UNROLL for (int i = 0; i < 16; i++) out[i] = ((GLOBAL const float *)row)[16 * u + i];
  } else if (F == W_F16) {
    UNROLL for (int part = 0; part < 2; part++) {
      bytes16<16>(row + 32 * u + 16 * part, w);
      UNROLL for (int i = 0; i < 8; i++) {
        u16 h = (u16)(w[i / 2] >> (16 * (i % 2)));
        out[8 * part + i] = to_float(*(OWN const f16 *)&h);
      }
    }
  } else if (F == W_BF16) {
    UNROLL for (int part = 0; part < 2; part++) {
      bytes16<16>(row + 32 * u + 16 * part, w);
      UNROLL for (int i = 0; i < 8; i++) out[8 * part + i] = bits_float(i % 2 ? w[i / 2] & 0xffff0000u : w[i / 2] << 16);
    }
  } else if (F == W_Q4_0 || F == W_IQ4_NL) {
    GLOBAL const u8 *b = row + 18 * (u / 2);
    float d = half_at(b);
    bytes16<2>(b + 2, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++) {
      u32 q = byte_of(w, i) >> shift & 15;
      out[i] = d * (F == W_IQ4_NL ? (float)iq4_of(q) : (float)q - 8.0f);
    }
  } else if (F == W_Q4_1) {
    GLOBAL const u8 *b = row + 20 * (u / 2);
    float d = half_at(b), m = half_at(b + 2);
    bytes16<4>(b + 4, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)(byte_of(w, i) >> shift & 15) + m;
  } else if (F == W_Q5_0) {
    GLOBAL const u8 *b = row + 22 * (u / 2);
    float d = half_at(b);
    u32 high = (*(GLOBAL const u16 *)(b + 2) | (u32) * (GLOBAL const u16 *)(b + 4) << 16) >> (16 * (u & 1));
    bytes16<2>(b + 6, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++)
      out[i] = d * ((float)((byte_of(w, i) >> shift & 15) | (high >> i & 1) << 4) - 16.0f);
  } else if (F == W_Q5_1) {
    GLOBAL const u8 *b = row + 24 * (u / 2);
    float d = half_at(b), m = half_at(b + 2);
    u32 high = *(GLOBAL const u32 *)(b + 4) >> (16 * (u & 1));
    bytes16<4>(b + 8, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++)
      out[i] = d * (float)((byte_of(w, i) >> shift & 15) | (high >> i & 1) << 4) + m;
  } else if (F == W_Q8_0) {
    GLOBAL const u8 *b = row + 34 * (u / 2);
    float d = half_at(b);
    bytes16<2>(b + 2 + 16 * (u & 1), w);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)(i8)byte_of(w, i);
  } else if (F == W_Q2_K) {
    GLOBAL const u8 *b = row + 84 * (u / 16);
    u32 s = u % 16;
    bytes16<4>(b + 16 + 32 * (s / 8) + 16 * (s & 1), w);
    float d = half_at(b + 80) * (float)(b[s] & 15), m = half_at(b + 82) * (float)(b[s] >> 4);
    u32 shift = 2 * (s % 8 / 2);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)(byte_of(w, i) >> shift & 3) - m;
  } else if (F == W_Q3_K) {
    GLOBAL const u8 *b = row + 110 * (u / 16);
    u32 s = u % 16, high[4];
    bytes16<2>(b + 16 * (s & 1), high);
    bytes16<2>(b + 32 + 32 * (s / 8) + 16 * (s & 1), w);
    u32 low4 = s < 8 ? b[96 + s] & 15 : b[96 + s - 8] >> 4;
    u32 high2 = b[96 + 8 + s % 4] >> (2 * (s / 4)) & 3;
    float d = half_at(b + 108) * ((float)(low4 | high2 << 4) - 32.0f);
    u32 shift = 2 * (s % 8 / 2), bit = s / 2;
    UNROLL for (int i = 0; i < 16; i++)
      out[i] = d * ((float)(byte_of(w, i) >> shift & 3) - (byte_of(high, i) >> bit & 1 ? 0.0f : 4.0f));
  } else if (F == W_Q4_K) {
    GLOBAL const u8 *b = row + 144 * (u / 16);
    u32 s = u % 16 / 2;
    float sc, m;
    scale_min(b + 4, s, &sc, &m);
    float d = half_at(b) * sc;
    m *= half_at(b + 2);
    bytes16<16>(b + 16 + 32 * (s / 2) + 16 * (u & 1), w);
    u32 shift = 4 * (s & 1);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)(byte_of(w, i) >> shift & 15) - m;
  } else if (F == W_Q5_K) {
    GLOBAL const u8 *b = row + 176 * (u / 16);
    u32 s = u % 16 / 2, high[4];
    float sc, m;
    scale_min(b + 4, s, &sc, &m);
    float d = half_at(b) * sc;
    m *= half_at(b + 2);
    bytes16<16>(b + 16 + 16 * (u & 1), high);
    bytes16<16>(b + 48 + 32 * (s / 2) + 16 * (u & 1), w);
    u32 shift = 4 * (s & 1);
    UNROLL for (int i = 0; i < 16; i++)
      out[i] = d * (float)((byte_of(w, i) >> shift & 15) | (byte_of(high, i) >> s & 1) << 4) - m;
  } else if (F == W_Q6_K) {
    GLOBAL const u8 *b = row + 210 * (u / 16);
    u32 n = u % 16 / 8, k = u % 8 / 2, second = u & 1, high[4];
    bytes16<2>(b + 64 * n + 32 * (k & 1) + 16 * second, w);
    bytes16<2>(b + 128 + 32 * n + 16 * second, high);
    float d = half_at(b + 208) * (float)(i8)b[192 + 8 * n + 2 * k + second];
    u32 shift = 4 * (k / 2), above = 2 * k;
    UNROLL for (int i = 0; i < 16; i++)
      out[i] = d * ((float)((byte_of(w, i) >> shift & 15) | (byte_of(high, i) >> above & 3) << 4) - 32.0f);
  } else if (F == W_IQ4_XS) {
    GLOBAL const u8 *b = row + 136 * (u / 16);
    u32 s = u % 16 / 2;
    u32 low = b[4 + s / 2] >> (4 * (s & 1)) & 15, high = *(GLOBAL const u16 *)(b + 2) >> (2 * s) & 3;
    float d = half_at(b) * ((float)(low | high << 4) - 32.0f);
    bytes16<4>(b + 8 + 16 * s, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)iq4_of(byte_of(w, i) >> shift & 15);
  } else if (F == W_MXFP4) {
    GLOBAL const u8 *b = row + 17 * (u / 2);
    u32 e = b[0];
    float d = bits_float(e < 2 ? 0x00200000u << e : (e - 1) << 23);
    bytes16<1>(b + 1, w);
    u32 shift = 4 * (u & 1);
    UNROLL for (int i = 0; i < 16; i++) out[i] = d * (float)fp4_of(byte_of(w, i) >> shift & 15);
  }
}

// Calls `f.run<F>()` for the format `format`.
#define EACH_FORMAT(format, CASE) \
  switch (format) {               \
    CASE(W_F32) CASE(W_F16) CASE(W_BF16) CASE(W_Q4_0) CASE(W_Q4_1) CASE(W_Q5_0) CASE(W_Q5_1) CASE(W_Q8_0) \
    CASE(W_Q2_K) CASE(W_Q3_K) CASE(W_Q4_K) CASE(W_Q5_K) CASE(W_Q6_K) CASE(W_IQ4_NL) CASE(W_IQ4_XS)        \
    CASE(W_MXFP4)                                                                                          \
  }

DEVICE void decode_any(u32 format, GLOBAL const u8 *row, u32 u, OWN float *out) {
#define ONE(F) case F: decode<F>(row, u, out); break;
  EACH_FORMAT(format, ONE)
#undef ONE
}

// Stacked weights: part p has the outputs from first[p] on.
struct Stack {
  GLOBAL const u8 *data[3];
  u32 first[3];
  u32 format[3];
  u32 row_bytes[3];
  u32 parts;
};
DEVICE u32 part_of(FIXED const Stack &s, u32 output) {
  u32 p = 0;
  if (s.parts > 1 && output >= s.first[1]) p = 1;
  if (s.parts > 2 && output >= s.first[2]) p = 2;
  return p;
}

// out[r][o] = (Σ weight[o] · x[r]) · scales[o] + bias[o] + plus[r][o], a warp for each of `each` outputs in turn. What
// stands before the product is done as `x` is read: the norm of a row (its sum of squares comes with it), or a gate.
struct MatVecArgs {
  Stack w;
  GLOBAL const float *x;       // [rows, inputs]; for a gate [rows, gate | up]
  GLOBAL const float *norm;    // [inputs], or null
  GLOBAL const float *bias;    // [outputs], or null
  GLOBAL const float *scales;  // [outputs], or null
  GLOBAL const float *plus;    // [rows, outputs], or null; may be `out`
  GLOBAL float *out;
  u32 inputs, outputs, rows, each;
  float epsilon;
  u32 gate;             // 0: none, else one more than the gate's number
};
// Inputs that a group holds at once, of all rows together.
#define MAT_VEC_INPUTS 4096
// Where input i is in shared memory: 4 numbers spare behind every 16, so that lanes hit different banks.
DEVICE u32 spaced(u32 i) { return i + 4 * (i / 16); }

// 4 numbers that stand aligned to 16 bytes.
DEVICE void load4(GLOBAL const float *p, OWN float *out) {
#if defined(__CUDACC__) || defined(__METAL_VERSION__)
  float4 v = *(GLOBAL const float4 *)p;
  out[0] = v.x; out[1] = v.y; out[2] = v.z; out[3] = v.w;
#else
  for (int i = 0; i < 4; i++) out[i] = p[i];
#endif
}

// A part of N rows of weights, one below the other, times inputs of R rows in shared memory: what is read of `x`
// serves all N, and the loads of all N are on their way at once.
template <u32 F, int R, int N>
DEVICE void dot_part(WHERE GLOBAL const u8 *row, u32 row_bytes, u32 from, u32 count, LOCAL const float *xs, u32 spacing,
                     OWN float (*sum)[R]) {
  if (F == W_F16 || F == W_BF16) {
    const int K = 8 / N > 4 ? 4 : 8 / N;  // 8 numbers at a time, so many times at once
    for (u32 u = LANE; u < count / 8; u += 32 * K) {
      u32 w[K][N][4];
      UNROLL for (int k = 0; k < K; k++) UNROLL for (int n = 0; n < N; n++) {
        if (u + 32 * k < count / 8) bytes16<16>(row + (u64)n * row_bytes + 16 * (u64)(from / 8 + u + 32 * k), w[k][n]);
        else w[k][n][0] = w[k][n][1] = w[k][n][2] = w[k][n][3] = 0;
      }
      UNROLL for (int k = 0; k < K; k++) {
        if (u + 32 * k >= count / 8) continue;
        UNROLL for (int r = 0; r < R; r++) {
          LOCAL const float *at = xs + r * spacing + spaced(8 * (u + 32 * k));
          float x[8];
          UNROLL for (int i = 0; i < 8; i++) x[i] = at[i];
          UNROLL for (int n = 0; n < N; n++) UNROLL for (int i = 0; i < 8; i++) {
            u32 bits = w[k][n][i / 2];
            float v = F == W_F16 ? half_of(bits >> (16 * (i % 2)), f16())
                                 : bits_float(i % 2 ? bits & 0xffff0000u : bits << 16);
            sum[n][r] += v * x[i];
          }
        }
      }
    }
    return;
  }
  for (u32 u = LANE; u < count / 16; u += 32) {
    float w[N][16];
    UNROLL for (int n = 0; n < N; n++) decode<F>(row + (u64)n * row_bytes, from / 16 + u, w[n]);
    UNROLL for (int r = 0; r < R; r++) {
      LOCAL const float *x = xs + r * spacing + 20 * u;
      UNROLL for (int i = 0; i < 16; i++) UNROLL for (int n = 0; n < N; n++) sum[n][r] += w[n][i] * x[i];
    }
  }
}
// N outputs from `o` on, of one part, for a chunk of inputs; to `sums`, or added to them.
template <int R, int N>
DEVICE void outputs_of(WHERE FIXED const MatVecArgs &a, u32 o, u32 from, u32 n, LOCAL const float *xs, u32 spacing,
                       LOCAL float *sums) {
  float sum[N][R];
  UNROLL for (int i = 0; i < N; i++) UNROLL for (int r = 0; r < R; r++) sum[i][r] = 0;
  if (o < a.outputs) {
    u32 p = part_of(a.w, o);
    GLOBAL const u8 *row = a.w.data[p] + (u64)(o - a.w.first[p]) * a.w.row_bytes[p];
#define ONE(F) case F: dot_part<F, R, N>(HERE row, a.w.row_bytes[p], from, n, xs, spacing, sum); break;
    EACH_FORMAT(a.w.format[p], ONE)
#undef ONE
  }
  UNROLL for (int i = 0; i < N; i++) UNROLL for (int r = 0; r < R; r++) {
    float s = warp_sum(sum[i][r]);
    if (LANE == 0) sums[i * R + r] = from == 0 ? s : sums[i * R + r] + s;
  }
}
// Whether `count` outputs from `o` on are there, and of one part.
DEVICE bool together(FIXED const MatVecArgs &a, u32 o, u32 count) {
  return o + count <= a.outputs && part_of(a.w, o) == part_of(a.w, o + count - 1);
}
template <int R> DEVICE void mat_vec(WHERE FIXED const MatVecArgs &a) {
  const u32 chunk = MAT_VEC_INPUTS / R, spacing = chunk + chunk / 4;
  SHARED(float, xs, MAT_VEC_INPUTS + MAT_VEC_INPUTS / 4);
  SHARED(float, sums, 8 * 8 * R);
  SHARED(float, squares, 8 * R);
  const u32 base = (GROUP_X * 8 + WARP) * a.each;
  float square[R];
  UNROLL for (int r = 0; r < R; r++) square[r] = 0;
  for (u32 from = 0; from < a.inputs; from += chunk) {
    u32 n = a.inputs - from < chunk ? a.inputs - from : chunk;
    UNROLL for (int r = 0; r < R; r++) {
      const u64 row = (u32)r < a.rows ? r : 0;
      GLOBAL const float *x = a.x + row * a.inputs * (a.gate ? 2 : 1) + from;
      UNROLL_BY(4) for (u32 i = 4 * THREAD; i < n; i += 1024) {
        float v[4];
        load4(x + i, v);
        if (a.gate) {
          float u[4];
          load4(x + a.inputs + i, u);
          UNROLL for (int j = 0; j < 4; j++) v[j] = gate_of(a.gate - 1, v[j], u[j]);
        }
        if (a.norm) {
          float w[4];
          load4(a.norm + from + i, w);
          UNROLL for (int j = 0; j < 4; j++) {
            square[r] += v[j] * v[j];
            v[j] *= w[j];
          }
        }
        LOCAL float *to = xs + r * spacing + spaced(i);
        UNROLL for (int j = 0; j < 4; j++) to[j] = v[j];
      }
    }
    BARRIER();
    LOCAL float *to = sums + WARP * 8 * R;
    for (u32 i = 0; i < a.each;) {
      u32 o = base + i;
      if (R == 1 && i + 4 <= a.each && together(a, o, 4)) {
        outputs_of<R, 4>(HERE a, o, from, n, xs, spacing, to + i * R);
        i += 4;
      } else if (R == 1 && i + 2 <= a.each && together(a, o, 2)) {
        outputs_of<R, 2>(HERE a, o, from, n, xs, spacing, to + i * R);
        i += 2;
      } else {
        outputs_of<R, 1>(HERE a, o, from, n, xs, spacing, to + i * R);
        i += 1;
      }
    }
    BARRIER();
  }
  if (a.norm) {
    UNROLL for (int r = 0; r < R; r++) {
      float s = warp_sum(square[r]);
      if (LANE == 0) squares[WARP * R + r] = s;
    }
    BARRIER();
  }
  for (u32 j = LANE; j < a.each * R; j += 32) {
    u32 o = base + j / R, r = j % R;
    if (o >= a.outputs || r >= a.rows) continue;
    float y = sums[WARP * 8 * R + j];
    if (a.norm) {
      float all = 0;
      UNROLL for (int w = 0; w < 8; w++) all += squares[w * R + r];
      y *= 1.0f / sqrtf(all / (float)a.inputs + a.epsilon);
    }
    if (a.scales) y *= a.scales[o];
    if (a.bias) y += a.bias[o];
    if (a.plus) y += a.plus[(u64)r * a.outputs + o];
    a.out[(u64)r * a.outputs + o] = y;
  }
}
#define MAT_VEC_SHARES(R) SHARES(float, MAT_VEC_INPUTS + MAT_VEC_INPUTS / 4) + SHARES(float, 8 * 8 * R) + SHARES(float, 8 * R)
KERNEL_BOUNDS(mat_vec_1, MatVecArgs, 256, 3, MAT_VEC_SHARES(1)) { mat_vec<1>(HERE a); }
KERNEL_BOUNDS(mat_vec_2, MatVecArgs, 256, 2, MAT_VEC_SHARES(2)) { mat_vec<2>(HERE a); }
KERNEL_BOUNDS(mat_vec_4, MatVecArgs, 256, 2, MAT_VEC_SHARES(4)) { mat_vec<4>(HERE a); }
KERNEL_BOUNDS(mat_vec_8, MatVecArgs, 256, 2, MAT_VEC_SHARES(8)) { mat_vec<8>(HERE a); }

// Rows from `row` on of a part as plain numbers, 16 a thread.
struct DequantiseArgs {
  GLOBAL const u8 *data;
  GLOBAL void *out;
  u32 row_bytes, inputs, count;  // count: rows
  u32 format;
};
template <typename T> DEVICE void dequantise(WHERE FIXED const DequantiseArgs &a) {
  u64 at = (u64)GROUP_X * THREADS + THREAD;
  u32 units = a.inputs / 16;
  u64 row = at / units;
  u32 u = (u32)(at % units);
  if (row >= a.count) return;
  float w[16];
  decode_any(a.format, a.data + row * a.row_bytes, u, w);
  GLOBAL T *out = (GLOBAL T *)a.out + row * a.inputs + 16 * u;
  UNROLL for (int i = 0; i < 16; i++) out[i] = from_float<T>(w[i]);
}
KERNEL(dequantise_f32, DequantiseArgs) { dequantise<float>(HERE a); }
KERNEL(dequantise_f16, DequantiseArgs) { dequantise<f16>(HERE a); }
KERNEL(dequantise_bf16, DequantiseArgs) { dequantise<bf16>(HERE a); }

// Rows of a table, one per token. A group per row.
struct EmbedArgs {
  Stack w;
  GLOBAL const u32 *tokens;
  GLOBAL float *out;
  u32 width;
  u32 vocabulary;
};
KERNEL(embed, EmbedArgs) {
  u32 token = a.tokens[GROUP_X];
  if (token >= a.vocabulary) token = 0;
  u32 p = part_of(a.w, token);
  GLOBAL const u8 *row = a.w.data[p] + (u64)(token - a.w.first[p]) * a.w.row_bytes[p];
  GLOBAL float *out = a.out + (u64)GROUP_X * a.width;
  for (u32 u = THREAD; u < a.width / 16; u += THREADS) {
    float w[16];
    decode_any(a.w.format[p], row, u, w);
    UNROLL for (int i = 0; i < 16; i++) out[16 * u + i] = w[i];
  }
}
