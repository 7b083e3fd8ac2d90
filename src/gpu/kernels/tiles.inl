// Attention of many rows: tiles of 64 query rows (of a KV head's whole group: row · group + head) against pages of
// 64 entries, products in 16 bits with sums in f32, softmax on the way (arXiv 2205.14135). Which entries a row
// sees follows from where it stands; nothing is ever `rows × entries`.

struct AttendManyArgs {
  Look look;
  float *out;  // [rows, heads, dim]
};

// A group's tile is x, its KV head y; 128 threads, a warp for 16 stacked rows each.
template <typename T, int D> DEVICE void attend_many(const AttendManyArgs &a) {
  const Look &l = a.look;
  const int S = D + 8;  // of a row in shared memory: lanes hit different banks
  T *ks = (T *)shared_dynamic(), *vs = ks + PAGE * S, *qs = vs + PAGE * S;
  const u32 h = GROUP_Y, group = l.heads / l.layer.kv_heads, stacked = l.rows * group;
  const u32 top = GROUP_X * 64;
  // Queries, as 16-bit numbers.
  for (u32 i = THREAD; i < 64 * D / 2; i += 128) {
    u32 m = i / (D / 2), d = i % (D / 2) * 2, s = top + m;
    u32 w = 0;
    if (s < stacked) {
      const float *q = l.q + ((u64)(s / group) * l.heads + h * group + s % group) * D + d;
      w = pack(q[0], q[1], T());
    }
    *(u32 *)(qs + m * S + d) = w;
  }
  BARRIER();
  const u32 r = LANE / 4, c = LANE % 4;
  const T *q = qs + (WARP * 16 + r) * S + 2 * c;
  const u32 len = len_of(l.layer, h);
  u32 first[2], limit[2];
  UNROLL for (int i = 0; i < 2; i++) {
    u32 s = top + WARP * 16 + r + 8 * i;
    u32 row = s < stacked ? s / group : l.rows - 1;
    limit[i] = limit_of(l, len, row);
    first[i] = first_of(l, limit[i]);
  }
  // What the tile sees at all.
  u32 last = top + 63 < stacked ? top + 63 : stacked - 1;
  u32 end = limit_of(l, len, last / group);
  u32 begin = first_of(l, limit_of(l, len, top / group));
  float out[D / 8][4];
  UNROLL for (int n = 0; n < D / 8; n++) UNROLL for (int i = 0; i < 4; i++) out[n][i] = 0;
  float max[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  for (u32 page = begin / PAGE; page * PAGE < end; page++) {
    const T *from = page_of<T>(l.layer, h, page);
    u32 held = len - page * PAGE < PAGE ? len - page * PAGE : PAGE;
    for (u32 i = THREAD; i < 2 * PAGE * D / 8; i += 128) {
      u32 row = i / (D / 8), part = i % (D / 8) * 8, w[4];
      bytes16<16>((const u8 *)(from + row * D + part), w);
      // Behind the entries is anything: a weight of 0 does not make NaN a 0.
      if (row % PAGE >= held) w[0] = w[1] = w[2] = w[3] = 0;
      u32 *to = (u32 *)((row < PAGE ? ks : vs) + row % PAGE * S + part);
      UNROLL for (int j = 0; j < 4; j++) to[j] = w[j];
    }
    BARRIER();
    float score[8][4];
    UNROLL for (int n = 0; n < 8; n++) UNROLL for (int i = 0; i < 4; i++) score[n][i] = 0;
    UNROLL for (int k = 0; k < D / 16; k++) {
      u32 qa[4] = {*(const u32 *)(q + 16 * k), *(const u32 *)(q + 8 * S + 16 * k),
                   *(const u32 *)(q + 16 * k + 8), *(const u32 *)(q + 8 * S + 16 * k + 8)};
      UNROLL for (int n = 0; n < 8; n++) {
        const T *key = ks + (n * 8 + r) * S + 16 * k + 2 * c;
        u32 kb[2] = {*(const u32 *)key, *(const u32 *)(key + 8)};
        mma(score[n], qa, kb, T());
      }
    }
    float most[2] = {max[0], max[1]};
    UNROLL for (int n = 0; n < 8; n++) UNROLL for (int i = 0; i < 4; i++) {
      u32 entry = page * PAGE + n * 8 + 2 * c + (i & 1);
      bool seen = entry >= first[i / 2] && entry < limit[i / 2];
      score[n][i] = seen ? capped(l, score[n][i]) : -INFINITY;
      most[i / 2] = fmaxf(most[i / 2], score[n][i]);
    }
    UNROLL for (int i = 0; i < 2; i++) {
      most[i] = fmaxf(most[i], lane_xor(most[i], 1));
      most[i] = fmaxf(most[i], lane_xor(most[i], 2));
      float by = weight_of(max[i], most[i]);
      max[i] = most[i];
      sum[i] *= by;
      UNROLL for (int n = 0; n < D / 8; n++) {
        out[n][2 * i] *= by;
        out[n][2 * i + 1] *= by;
      }
    }
    UNROLL for (int n = 0; n < 8; n++) UNROLL for (int i = 0; i < 4; i++) {
      score[n][i] = weight_of(score[n][i], max[i / 2]);
      sum[i / 2] += score[n][i];
    }
    UNROLL for (int k = 0; k < 4; k++) {
      u32 pa[4] = {pack(score[2 * k][0], score[2 * k][1], T()), pack(score[2 * k][2], score[2 * k][3], T()),
                   pack(score[2 * k + 1][0], score[2 * k + 1][1], T()), pack(score[2 * k + 1][2], score[2 * k + 1][3], T())};
      UNROLL for (int n = 0; n < D / 8; n++) {
        const u16 *v = (const u16 *)(vs + (16 * k + 2 * c) * S + 8 * n + r);
        u32 vb[2] = {v[0] | (u32)v[S] << 16, v[8 * S] | (u32)v[9 * S] << 16};
        mma(out[n], pa, vb, T());
      }
    }
    BARRIER();
  }
  UNROLL for (int i = 0; i < 2; i++) {
    sum[i] += lane_xor(sum[i], 1);
    sum[i] += lane_xor(sum[i], 2);
    u32 s = top + WARP * 16 + r + 8 * i;
    if (s >= stacked) continue;
    u32 head = h * group + s % group;
    float all = sum[i];
    float by = 1.0f;
    if (l.sinks) {
      float most = fmaxf(max[i], l.sinks[head]);
      by = weight_of(max[i], most);
      all = all * by + expf(l.sinks[head] - most);
    }
    float *to = a.out + ((u64)(s / group) * l.heads + head) * D + 2 * c;
    UNROLL for (int n = 0; n < D / 8; n++) {
      to[8 * n] = out[n][2 * i] * by / all;
      to[8 * n + 1] = out[n][2 * i + 1] * by / all;
    }
  }
}
#define MANY(T, name, D) KERNEL_BOUNDS(attend_many_##name##_##D, AttendManyArgs, 128, 2, 0) { attend_many<T, D>(a); }
MANY(f16, f16, 32) MANY(f16, f16, 64) MANY(f16, f16, 80) MANY(f16, f16, 96) MANY(f16, f16, 128) MANY(f16, f16, 256)
MANY(bf16, bf16, 32) MANY(bf16, bf16, 64) MANY(bf16, bf16, 80) MANY(bf16, bf16, 96) MANY(bf16, bf16, 128) MANY(bf16, bf16, 256)
