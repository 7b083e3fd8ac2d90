// The paged ragged cache: 64 entries of a KV head to a page, keys `[64, dim]` and behind them values `[64, dim]`,
// each head with pages and a length of its own.

#define PAGE 64

struct Layer {
  GLOBAL const u64 *pages;     // [kv_heads, most]: addresses
  GLOBAL const u32 *lens;      // [kv_heads]: entries when the next position was `position`
  GLOBAL const u32 *now;       // the position of the newest entry, if it is told on the device
  u32 newest;           // else this
  u32 position;
  u32 most;             // pages of a head in the table
  u32 kv_heads;
};
DEVICE u32 newest(FIXED const Layer &l) { return l.now ? *l.now : l.newest; }
// Entries of head h with the newest.
DEVICE u32 len_of(FIXED const Layer &l, u32 h) { return l.lens[h] + (newest(l) + 1 - l.position); }
template <typename T> DEVICE GLOBAL T *page_of(FIXED const Layer &l, u32 h, u32 page) {
  return (GLOBAL T *)l.pages[(u64)h * l.most + page];
}

// 8 numbers, and 2, that stand aligned to their size.
DEVICE void load8(GLOBAL const float *p, OWN float *out) { UNROLL for (int i = 0; i < 8; i++) out[i] = p[i]; }
template <typename T> DEVICE void load8(GLOBAL const T *p, OWN float *out) {
  u32 w[4];
  bytes16<16>((GLOBAL const u8 *)p, w);
  UNROLL for (int i = 0; i < 8; i++) out[i] = half_of(w[i / 2] >> (16 * (i % 2)), T());
}
DEVICE void load2(GLOBAL const float *p, OWN float *out) {
  out[0] = p[0];
  out[1] = p[1];
}
template <typename T> DEVICE void load2(GLOBAL const T *p, OWN float *out) {
  u32 w = *(GLOBAL const u32 *)p;
  out[0] = half_of(w, T());
  out[1] = half_of(w >> 16, T());
}

// Queries, keys and values of rows `[q | k | v]`: normed where there are norms, turned, queries scaled; keys and
// values go to the cache behind what it has, queries to `q`. A group per row (x) and head (y).
struct AppendArgs {
  Layer layer;
  GLOBAL const float *qkv;
  GLOBAL float *q;             // [rows, heads, dim]
  GLOBAL float *ring;          // the observation window's rows, or null
  GLOBAL const float *frequencies;  // [turned / 2], or null
  GLOBAL const float *q_norm, *k_norm, *v_norm;  // [dim], or of all heads together, or null
  u32 ring_from;        // rows from this one on go to the ring's …
  u32 ring_to;          // … row that the position `ring_to` has
  u32 heads, dim, rows;
  u32 turned;           // dimensions that RoPE turns
  u32 interleaved;      // 1: pairs are neighbours
  u32 whole;            // norms are over all heads together: bit 0 of q, bit 1 of k
  float epsilon, magnitude, scale;
  float growth;         // queries times 1 + growth · ln(1 + ⌊position / every⌋)
  u32 every;            // 0: they do not grow
  u32 pad;
};
template <typename T> DEVICE void append(WHERE FIXED const AppendArgs &a) {
  SHARED(float, v, 512);
  SHARED(float, sums, 32);
  const u32 row = GROUP_X, head = GROUP_Y, kv = a.layer.kv_heads, dim = a.dim;
  const u32 position = newest(a.layer) + 1 - a.rows + row;
  GLOBAL const float *all = a.qkv + (u64)row * (a.heads + 2 * kv) * dim;
  GLOBAL const float *x = all + (u64)head * dim;
  const u32 kind = head < a.heads ? 0 : head < a.heads + kv ? 1 : 2;
  GLOBAL const float *norm = kind == 0 ? a.q_norm : kind == 1 ? a.k_norm : a.v_norm;
  float by = 1.0f;
  if (norm) {
    // The mean of squares of the head, or of all heads of its kind.
    bool whole = kind < 2 && (a.whole >> kind & 1);
    GLOBAL const float *from = !whole ? x : kind == 0 ? all : all + (u64)a.heads * dim;
    u32 n = !whole ? dim : kind == 0 ? a.heads * dim : kv * dim;
    float sum = 0;
    for (u32 i = THREAD; i < n; i += THREADS) sum += from[i] * from[i];
    sum = warp_sum(sum);
    if (LANE == 0) sums[WARP] = sum;
    BARRIER();
    sum = 0;
    for (u32 w = 0; w < WARPS; w++) sum += sums[w];
    by = 1.0f / sqrtf(sum / (float)n + a.epsilon);
    if (whole) norm += (kind == 0 ? head : head - a.heads) * dim;
  }
  for (u32 i = THREAD; i < dim; i += THREADS) v[i] = norm ? x[i] * by * norm[i] : x[i];
  BARRIER();
  if (kind < 2 && a.frequencies) {
    u32 pairs = a.turned / 2;
    for (u32 i = THREAD; i < pairs; i += THREADS) {
      float angle = (float)position * a.frequencies[i];
      float c = cosf(angle) * a.magnitude, s = sinf(angle) * a.magnitude;
      u32 p = a.interleaved ? 2 * i : i, o = a.interleaved ? 2 * i + 1 : i + pairs;
      float x0 = v[p], x1 = v[o];
      v[p] = x0 * c - x1 * s;
      v[o] = x1 * c + x0 * s;
    }
    BARRIER();
  }
  if (kind == 0) {
    float scale = a.scale;
    if (a.every) scale *= 1.0f + a.growth * logf((float)(position / a.every) + 1.0f);
    GLOBAL float *q = a.q + ((u64)row * a.heads + head) * dim;
    GLOBAL float *ring = a.ring && row >= a.ring_from
                    ? a.ring + ((u64)(position - a.ring_to) * a.heads + head) * dim : (GLOBAL float *)0;
    for (u32 i = THREAD; i < dim; i += THREADS) {
      float y = v[i] * scale;
      q[i] = y;
      if (ring) ring[i] = y;
    }
  } else {
    u32 h = kind == 1 ? head - a.heads : head - a.heads - kv;
    u32 at = len_of(a.layer, h) - a.rows + row;
    GLOBAL T *page = page_of<T>(a.layer, h, at / PAGE) + (kind == 1 ? 0 : PAGE * dim) + (u64)(at % PAGE) * dim;
    for (u32 i = THREAD; i < dim; i += THREADS) page[i] = from_float<T>(v[i]);
  }
}
#define APPEND_SHARES SHARES(float, 512) + SHARES(float, 32)
KERNEL_SHARING(append_f32, AppendArgs, APPEND_SHARES) { append<float>(HERE a); }
KERNEL_SHARING(append_f16, AppendArgs, APPEND_SHARES) { append<f16>(HERE a); }
KERNEL_SHARING(append_bf16, AppendArgs, APPEND_SHARES) { append<bf16>(HERE a); }

// Entries taken from pages into new ones, bit for bit: a group per entry of the new pages.
struct GatherArgs {
  GLOBAL const u64 *from;  // addresses of pages, one after the other
  GLOBAL const u32 *index; // [count]: page · 64 + slot among `from`; ~0 for none
  GLOBAL const u64 *to;    // addresses of the new pages
  u64 count;
  u32 row_bytes;    // of a key or a value
  u32 pad;
};
KERNEL(gather, GatherArgs) {
  u64 i = (u64)GROUP_X * WARPS + WARP;
  if (i >= a.count) return;
  u32 from = a.index[i];
  if (from == 0xffffffffu) return;
  GLOBAL const u8 *source = (GLOBAL const u8 *)a.from[from / PAGE];
  GLOBAL u8 *target = (GLOBAL u8 *)a.to[i / PAGE];
  u32 row = a.row_bytes;
  for (u32 part = 0; part < 2; part++) {
    GLOBAL const u16 *s = (GLOBAL const u16 *)(source + (u64)part * PAGE * row + (from % PAGE) * row);
    GLOBAL u16 *t = (GLOBAL u16 *)(target + (u64)part * PAGE * row + (i % PAGE) * row);
    for (u32 j = LANE; j < row / 2; j += 32) t[j] = s[j];
  }
}

// How queries look at a layer: as the host's `Queries`. Queries come scaled.
struct Look {
  Layer layer;
  GLOBAL const float *q;       // [rows, heads, dim]
  GLOBAL const float *sinks;   // [heads], or null
  u32 heads, dim, rows;
  u32 behind;           // entries of every head behind the last row's own
  u32 window;           // the newest that a row sees; 0 = all
  float cap;            // scores are squashed to cap · tanh(score / cap); 0 = not
};
DEVICE u32 limit_of(FIXED const Look &l, u32 len, u32 row) { return len - l.behind - (l.rows - 1 - row); }
DEVICE u32 first_of(FIXED const Look &l, u32 limit) { return l.window && l.window < limit ? limit - l.window : 0; }
DEVICE float capped(FIXED const Look &l, float score) { return l.cap > 0 ? l.cap * tanhf(score / l.cap) : score; }
// 1 where there is nothing is what follows of exp(−∞ − −∞) otherwise.
DEVICE float weight_of(float score, float max) { return score == -INFINITY ? 0.0f : expf(score - max); }
