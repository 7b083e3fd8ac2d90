// What the observation window thinks of entries: the maximum and the sum of every query's scores first, then of
// every entry the mean and the largest of its weights. Queries of a KV head are `row · group + head`.

struct WindowArgs {
  Look look;
  GLOBAL float *parts;   // [kv_heads, halves, queries][2]: maximum and sum over 32 entries
  GLOBAL float *totals;  // [kv_heads, queries][2]: maximum, 1 / sum
  GLOBAL float *mean;    // [kv_heads, longest]
  GLOBAL float *peak;
  u32 longest;    // the most entries that a head has
  u32 halves;     // 32-entry halves of pages of the longest head
};
#define WINDOW_QUERIES 4

// Scores of a page's entries for WINDOW_QUERIES queries from `from` on, for the thread's entry `THREAD % 64`.
// `kt` holds keys transposed, `[dim, 65]`, but where groups share little memory (NARROW): there each thread reads its
// entry's key again and again; `qt` holds queries `[threads / 64][dim, WINDOW_QUERIES]`.
template <typename T> DEVICE void window_keys(WHERE FIXED const Look &l, u32 h, u32 page, LOCAL float *kt) {
  GLOBAL const T *keys = page_of<T>(l.layer, h, page);
  u32 len = len_of(l.layer, h);
  for (u32 i = THREAD; i < PAGE * l.dim; i += THREADS) {
    u32 e = i / l.dim, d = i % l.dim;
    kt[d * 65 + e] = page * PAGE + e < len ? to_float(keys[i]) : 0.0f;
  }
}
// The same products in the same order, with the key where it is.
template <typename T> DEVICE void window_dots(GLOBAL const T *key, u32 dim, LOCAL const float *q, OWN float *dot) {
  for (u32 d = 0; d < dim; d += 8) {
    float k[8];
    load8(key + d, k);
    UNROLL for (int i = 0; i < 8; i++)
      UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) dot[n] += k[i] * q[(d + i) * WINDOW_QUERIES + n];
  }
}
template <typename T, bool NARROW>
DEVICE void window_scores_of(WHERE FIXED const Look &l, u32 h, u32 page, u32 from, LOCAL const float *kt,
                             LOCAL float *qt, OWN float *score) {
  const u32 group = l.heads / l.layer.kv_heads, queries = l.rows * group, team = THREAD / 64, e = THREAD % 64;
  LOCAL float *q = qt + team * l.dim * WINDOW_QUERIES;
  u32 mine = from + team * WINDOW_QUERIES;
  for (u32 i = e; i < l.dim * WINDOW_QUERIES; i += 64) {
    u32 d = i / WINDOW_QUERIES, n = mine + i % WINDOW_QUERIES;
    q[i] = n < queries ? l.q[((u64)(n / group) * l.heads + h * group + n % group) * l.dim + d] : 0.0f;
  }
  BARRIER();
  float dot[WINDOW_QUERIES];
  UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) dot[n] = 0;
  u32 len = len_of(l.layer, h), entry = page * PAGE + e;
  if (NARROW) {
    if (entry < len) window_dots(page_of<T>(l.layer, h, page) + e * l.dim, l.dim, q, dot);
  } else {
    for (u32 d = 0; d < l.dim; d++) {
      float k = kt[d * 65 + e];
      UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) dot[n] += k * q[d * WINDOW_QUERIES + n];
    }
  }
  UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) {
    score[n] = -INFINITY;
    if (mine + n < queries && entry < len) {
      u32 limit = limit_of(l, len, (mine + n) / group);
      if (entry < limit && entry >= first_of(l, limit)) score[n] = capped(l, dot[n]);
    }
  }
  BARRIER();
}
// A group per page (x) of a KV head (y), 128 threads.
template <typename T, bool NARROW> DEVICE void window_sums(WHERE FIXED const WindowArgs &a) {
  FIXED const Look &l = a.look;
  LOCAL float *kt = (LOCAL float *)shared_dynamic(), *qt = NARROW ? kt : kt + l.dim * 65;
  const u32 h = GROUP_Y, page = GROUP_X, queries = l.rows * (l.heads / l.layer.kv_heads);
  if (page * PAGE >= len_of(l.layer, h)) return;
  if (!NARROW) window_keys<T>(HERE l, h, page, kt);
  for (u32 from = 0; from < queries; from += 2 * WINDOW_QUERIES) {
    float score[WINDOW_QUERIES];
    window_scores_of<T, NARROW>(HERE l, h, page, from, kt, qt, score);
    UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) {
      float max = warp_max(score[n]);
      float sum = warp_sum(weight_of(score[n], max));
      u32 query = from + THREAD / 64 * WINDOW_QUERIES + n;
      if (LANE == 0 && query < queries) {
        GLOBAL float *to = a.parts + (((u64)h * a.halves + 2 * page + WARP % 2) * queries + query) * 2;
        to[0] = max;
        to[1] = sum;
      }
    }
  }
}

#define SUMS(T, name) \
  KERNEL(window_sums_##name, WindowArgs) { window_sums<T, false>(HERE a); }
#define SUMS_NARROW(T, name) \
  KERNEL(window_sums_##name##_narrow, WindowArgs) { window_sums<T, true>(HERE a); }
SUMS(float, f32) SUMS(f16, f16) SUMS(bf16, bf16)
#if !defined(__CUDACC__)
SUMS_NARROW(float, f32) SUMS_NARROW(f16, f16) SUMS_NARROW(bf16, bf16)
#endif

// A warp per query (x · warps) of a KV head (y).
KERNEL(window_totals, WindowArgs) {
  FIXED const Look &l = a.look;
  const u32 h = GROUP_Y, group = l.heads / l.layer.kv_heads, queries = l.rows * group, query = GROUP_X * WARPS + WARP;
  if (query >= queries) return;
  u32 halves = (len_of(l.layer, h) + PAGE - 1) / PAGE * 2;
  GLOBAL const float *parts = a.parts + ((u64)h * a.halves * queries + query) * 2;
  float max = -INFINITY;
  for (u32 i = LANE; i < halves; i += 32) max = fmaxf(max, parts[(u64)i * queries * 2]);
  max = warp_max(max);
  float sink = l.sinks ? l.sinks[h * group + query % group] : -INFINITY;
  float sum = 0;
  for (u32 i = LANE; i < halves; i += 32)
    sum += weight_of(parts[(u64)i * queries * 2], max) * parts[(u64)i * queries * 2 + 1];
  sum = warp_sum(sum);
  if (LANE == 0) {
    GLOBAL float *to = a.totals + ((u64)h * queries + query) * 2;
    // As the host does: a sink counts against the maximum of the entries.
    if (l.sinks) sum += expf(sink - max);
    to[0] = max;
    to[1] = 1.0f / sum;
  }
}

template <typename T, bool NARROW> DEVICE void window_scores(WHERE FIXED const WindowArgs &a) {
  FIXED const Look &l = a.look;
  LOCAL float *kt = (LOCAL float *)shared_dynamic(), *qt = NARROW ? kt : kt + l.dim * 65;
  SHARED(float, found, 2 * 64);
  const u32 h = GROUP_Y, page = GROUP_X, queries = l.rows * (l.heads / l.layer.kv_heads);
  const u32 len = len_of(l.layer, h);
  if (page * PAGE >= len) return;
  if (!NARROW) window_keys<T>(HERE l, h, page, kt);
  float total = 0, high = 0;
  for (u32 from = 0; from < queries; from += 2 * WINDOW_QUERIES) {
    float score[WINDOW_QUERIES];
    window_scores_of<T, NARROW>(HERE l, h, page, from, kt, qt, score);
    UNROLL for (int n = 0; n < WINDOW_QUERIES; n++) {
      u32 query = from + THREAD / 64 * WINDOW_QUERIES + n;
      if (query >= queries) continue;
      GLOBAL const float *of = a.totals + ((u64)h * queries + query) * 2;
      float w = weight_of(score[n], of[0]) * of[1];
      total += w;
      high = fmaxf(high, w);
    }
  }
  u32 e = THREAD % 64;
  if (THREAD >= 64) {
    found[e] = total;
    found[64 + e] = high;
  }
  BARRIER();
  if (THREAD < 64 && page * PAGE + e < len) {
    a.mean[(u64)h * a.longest + page * PAGE + e] = (total + found[e]) / (float)queries;
    a.peak[(u64)h * a.longest + page * PAGE + e] = fmaxf(high, found[64 + e]);
  }
}
#define SCORES(T, name) \
  KERNEL_SHARING(window_scores_##name, WindowArgs, SHARES(float, 2 * 64)) { window_scores<T, false>(HERE a); }
#define SCORES_NARROW(T, name) \
  KERNEL_SHARING(window_scores_##name##_narrow, WindowArgs, SHARES(float, 2 * 64)) { window_scores<T, true>(HERE a); }
SCORES(float, f32) SCORES(f16, f16) SCORES(bf16, bf16)
#if !defined(__CUDACC__)
SCORES_NARROW(float, f32) SCORES_NARROW(f16, f16) SCORES_NARROW(bf16, bf16)
#endif
