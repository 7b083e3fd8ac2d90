// Attention of many rows: tiles of stacked query rows (of a KV head's whole group: row · group + head) against pages of
// 64 entries, products in 16 bits with sums in f32, softmax on the way (arXiv 2205.14135). Which entries a row
// sees follows from where it stands; nothing is ever `rows × entries`. A page's values are on their way while its
// keys are multiplied, and the next page's keys while its values are (arXiv 2307.08691).

struct AttendManyArgs {
  Look look;
  float *out;  // [rows, heads, dim]
};

// Copies a page's keys, or values, into shared rows of S numbers; nothing behind the first `seen` entries is read.
template <typename T, int D, int S> DEVICE void page_later(T *to, const T *from, u32 seen) {
  for (u32 i = THREAD; i < PAGE * D / 8; i += 128) {
    u32 row = i / (D / 8), part = i % (D / 8) * 8;
    if (row < seen) {
      copy16_later(to + row * S + part, from + row * D + part);
    } else {
      // A weight of 0 does not make NaN a 0.
      UNROLL for (int j = 0; j < 8; j += 2) *(u32 *)(to + row * S + part + j) = 0;
    }
  }
  copies_end();
}

// A group's tile is x, the last first, its KV head y; 128 threads, a warp for 16 · M stacked rows each.
template <typename T, int D, int M> DEVICE void attend_many(const AttendManyArgs &a) {
  const Look &l = a.look;
  const float LOG2_E = 1.44269504f;
  const int S = D + 8;  // of a row in shared memory: rows begin in different banks
  T *ks = (T *)shared_dynamic(), *vs = ks + PAGE * S, *qs = vs + PAGE * S;
  const u32 h = GROUP_Y, group = l.heads / l.layer.kv_heads, stacked = l.rows * group;
  const u32 top = (GROUPS_X - 1 - GROUP_X) * (64 * M);
  // What the tile sees at all, and what all of its rows see.
  const u32 bottom = top + 64 * M < stacked ? top + 64 * M - 1 : stacked - 1;
  const u32 end = limit_of(l, len_of(l.layer, h), bottom / group), all_end = end - bottom / group + top / group;
  u32 at = first_of(l, all_end) / PAGE * PAGE;
  if (at < end) page_later<T, D, S>(ks, page_of<T>(l.layer, h, at / PAGE), end - at);
  // Queries, as 16-bit numbers.
  for (u32 i = THREAD; i < 64 * M * D / 2; i += 128) {
    u32 m = i / (D / 2), d = i % (D / 2) * 2, s = top + m;
    u32 w = 0;
    if (s < stacked) {
      const float *q = l.q + ((u64)(s / group) * l.heads + h * group + s % group) * D + d;
      w = pack(q[0], q[1], T());
    }
    *(u32 *)(qs + m * S + d) = w;
  }
  // Where a lane's rows of matrices begin: row l % 16 of 16, the first or the last 8 columns of 16.
  const u32 r = LANE / 4, c = LANE % 4;
  const T *key = ks + LANE % 16 * S + LANE / 16 * 8, *value = key + PAGE * S, *q = value + (PAGE + WARP * 16 * M) * S;
  float out[M][D / 8][4], most[M][2], sum[M][2];
  UNROLL for (int m = 0; m < M; m++) {
    UNROLL for (int n = 0; n < D / 8; n++) UNROLL for (int i = 0; i < 4; i++) out[m][n][i] = 0;
    UNROLL for (int i = 0; i < 2; i++) {
      most[m][i] = -INFINITY;
      sum[m][i] = 0;
    }
  }
  for (; at < end; at += PAGE) {
    copies_wait<0>();
    BARRIER();
    page_later<T, D, S>(vs, page_of<T>(l.layer, h, at / PAGE) + PAGE * D, end - at);
    float score[M][8][4];
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int n = 0; n < 8; n++) UNROLL for (int i = 0; i < 4; i++) score[m][n][i] = 0;
    UNROLL for (int k = 0; k < D / 16; k++) {
      u32 qa[M][4];
      UNROLL for (int m = 0; m < M; m++) load_matrices(qa[m], q + 16 * m * S + 16 * k);
      UNROLL for (int n = 0; n < 4; n++) {
        u32 kb[4];
        load_matrices(kb, key + 16 * n * S + 16 * k);
        const u32 first[2] = {kb[0], kb[2]}, second[2] = {kb[1], kb[3]};
        UNROLL for (int m = 0; m < M; m++) {
          mma(score[m][2 * n], qa[m], first, T());
          mma(score[m][2 * n + 1], qa[m], second, T());
        }
      }
    }
    const bool edge = at + PAGE > all_end || at < first_of(l, end);
    UNROLL for (int m = 0; m < M; m++) {
      if (l.cap > 0) UNROLL for (int n = 0; n < 8; n++) UNROLL for (int i = 0; i < 4; i++) score[m][n][i] = capped(l, score[m][n][i]);
      UNROLL for (int i = 0; i < 2; i++) {
        if (edge) {
          u32 s = top + (WARP * M + m) * 16 + r + 8 * i;
          u32 limit = limit_of(l, len_of(l.layer, h), s < stacked ? s / group : l.rows - 1), first = first_of(l, limit);
          UNROLL for (int n = 0; n < 8; n++) UNROLL for (int j = 0; j < 2; j++) {
            u32 entry = at + n * 8 + 2 * c + j;
            if (entry < first || entry >= limit) score[m][n][2 * i + j] = -INFINITY;
          }
        }
        float before = most[m][i], now = before;
        UNROLL for (int n = 0; n < 8; n++) now = fmaxf(now, fmaxf(score[m][n][2 * i], score[m][n][2 * i + 1]));
        now = fmaxf(now, lane_xor(now, 1));
        now = fmaxf(now, lane_xor(now, 2));
        most[m][i] = now;
        // Where nothing is seen yet all weights are 0.
        float base = now == -INFINITY ? 0.0f : now * LOG2_E;
        float by = two_to(before * LOG2_E - base), total = 0;
        UNROLL for (int n = 0; n < 8; n++) UNROLL for (int j = 0; j < 2; j++) {
          float &x = score[m][n][2 * i + j];
          x = two_to(x * LOG2_E - base);
          total += x;
        }
        sum[m][i] = sum[m][i] * by + total;
        UNROLL for (int n = 0; n < D / 8; n++) {
          out[m][n][2 * i] *= by;
          out[m][n][2 * i + 1] *= by;
        }
      }
    }
    copies_wait<0>();
    BARRIER();
    if (at + PAGE < end) page_later<T, D, S>(ks, page_of<T>(l.layer, h, at / PAGE + 1), end - at - PAGE);
    UNROLL for (int k = 0; k < 4; k++) {
      u32 pa[M][4];
      UNROLL for (int m = 0; m < M; m++) UNROLL for (int i = 0; i < 4; i++) {
        const float *p = score[m][2 * k + i / 2] + i % 2 * 2;
        pa[m][i] = pack(p[0], p[1], T());
      }
      UNROLL for (int n = 0; n < D / 16; n++) {
        u32 vb[4];
        load_turned(vb, value + 16 * k * S + 16 * n);
        UNROLL for (int m = 0; m < M; m++) {
          mma(out[m][2 * n], pa[m], vb, T());
          mma(out[m][2 * n + 1], pa[m], vb + 2, T());
        }
      }
    }
  }
  UNROLL for (int m = 0; m < M; m++) UNROLL for (int i = 0; i < 2; i++) {
    float all = sum[m][i], by = 1.0f;
    all += lane_xor(all, 1);
    all += lane_xor(all, 2);
    u32 s = top + (WARP * M + m) * 16 + r + 8 * i;
    if (s >= stacked) continue;
    u32 head = h * group + s % group;
    if (l.sinks) {
      float with = fmaxf(most[m][i], l.sinks[head]);
      by = weight_of(most[m][i], with);
      all = all * by + expf(l.sinks[head] - with);
    }
    float *to = a.out + ((u64)(s / group) * l.heads + head) * D + 2 * c;
    UNROLL for (int n = 0; n < D / 8; n++) {
      to[8 * n] = out[m][n][2 * i] * by / all;
      to[8 * n + 1] = out[m][n][2 * i + 1] * by / all;
    }
  }
}
// Of the widest heads a warp's sums of more rows would not fit into its registers (`TALL` in model/gpu/attention.rs).
#define MANY(T, name, D, M) KERNEL_BOUNDS(attend_many_##name##_##D, AttendManyArgs, 128, 2, 0) { attend_many<T, D, M>(a); }
#define MANY_OF(T, name) MANY(T, name, 32, 2) MANY(T, name, 64, 2) MANY(T, name, 80, 2) MANY(T, name, 96, 2) MANY(T, name, 128, 2) MANY(T, name, 256, 1)
MANY_OF(f16, f16)
MANY_OF(bf16, bf16)
