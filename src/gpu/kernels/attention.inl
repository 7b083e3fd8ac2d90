// Attention of a few rows (a decoded token's) over a layer: the pages of all heads are split evenly over a fixed
// number of groups, each of which finds its head and its pages by the lengths on the device; then what several
// groups found of one head is put together.

struct AttendFewArgs {
  Look look;
  GLOBAL float *parts;  // [rows, blocks of group, splits, group][dim + 2]: sums of values, maximum, sum of weights
  GLOBAL float *out;    // [rows, heads, dim]
  u32 splits;    // groups in x, at least kv_heads
  u32 pad;
};
// Of every head, the pages that a row sees: the first, and how many. All threads find out together.
#define MOST_HEADS 128
struct Seen {
  LOCAL u32 *from, *pages;
};
DEVICE void look_at_all(WHERE FIXED const Look &l, u32 row, OWN const Seen &seen) {
  for (u32 h = THREAD; h < l.layer.kv_heads; h += THREADS) {
    u32 limit = limit_of(l, len_of(l.layer, h), row), from = first_of(l, limit) / PAGE;
    seen.from[h] = from;
    seen.pages[h] = (limit + PAGE - 1) / PAGE - from;
  }
  BARRIER();
}
// Pages that one group takes: so many that all heads come to `splits` groups at most.
DEVICE u32 pages_each(FIXED const Look &l, OWN const Seen &seen, u32 splits) {
  u32 all = 0;
  for (u32 h = 0; h < l.layer.kv_heads; h++) all += seen.pages[h];
  u32 spare = splits - l.layer.kv_heads;
  u32 each = spare ? (all + spare - 1) / spare : all;
  return each ? each : 1;
}

// G query heads of a KV head at once.
template <typename T, int G> DEVICE void attend_few(WHERE FIXED const AttendFewArgs &a) {
  SHARED(float, q, G * 256);
  SHARED(float, p, G * PAGE);
  SHARED(float, state, 3 * G);  // maximum, sum, what the sums so far are multiplied by
  SHARED(float, joined, G * 256);
  SHARED(u32, found, 2 * MOST_HEADS);
  FIXED const Look &l = a.look;
  const u32 row = GROUP_Y, dim = l.dim, group = l.heads / l.layer.kv_heads, block = GROUP_Z;
  const Seen seen = {found, found + MOST_HEADS};
  look_at_all(HERE l, row, seen);
  u32 each = pages_each(l, seen, a.splits);
  // Which head, and which of its runs of pages.
  u32 h = 0, run = GROUP_X;
  for (; h < l.layer.kv_heads; h++) {
    u32 runs = (seen.pages[h] + each - 1) / each;
    if (run < runs) break;
    run -= runs;
  }
  if (h == l.layer.kv_heads) return;
  const u32 from = seen.from[h], pages = seen.pages[h];
  const u32 limit = limit_of(l, len_of(l.layer, h), row), first = first_of(l, limit);
  const u32 begin = from + run * each;
  const u32 end = begin + each < from + pages ? begin + each : from + pages;
  const u32 heads = group - block * G < G ? group - block * G : G;
  GLOBAL const float *queries = l.q + ((u64)row * l.heads + h * group + block * G) * dim;
  for (u32 i = THREAD; i < G * dim; i += 128) q[i / dim * 256 + i % dim] = i / dim < heads ? queries[i] : 0.0f;
  if (THREAD < G) {
    state[THREAD] = -INFINITY;
    state[G + THREAD] = 0;
  }
  // Threads share out the values: two dimensions each, and runs of entries where there are threads to spare.
  const u32 pairs = dim / 2, teams = 128 / pairs < 8 ? 128 / pairs : 8, team = THREAD / pairs, pair = THREAD % pairs;
  float sum[G][2];
  UNROLL for (int g = 0; g < G; g++) sum[g][0] = sum[g][1] = 0;
  BARRIER();
  for (u32 page = begin; page < end; page++) {
    GLOBAL const T *keys = page_of<T>(l.layer, h, page), *values = keys + PAGE * dim;
    // 8 lanes an entry, four entries at once.
    const u32 mine = THREAD / 8;
    float dot[4][G];
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int g = 0; g < G; g++) dot[i][g] = 0;
    for (u32 c = THREAD % 8; c < dim / 8; c += 8) {
      float k[4][8];
      UNROLL for (int i = 0; i < 4; i++) {
        u32 e = mine + 16 * i;
        if (page * PAGE + e < limit) load8(keys + e * dim + c * 8, k[i]);
        else UNROLL for (int j = 0; j < 8; j++) k[i][j] = 0;
      }
      UNROLL for (int g = 0; g < G; g++) {
        float x[8];
        UNROLL for (int j = 0; j < 8; j++) x[j] = q[g * 256 + c * 8 + j];
        UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 8; j++) dot[i][g] += k[i][j] * x[j];
      }
    }
    UNROLL for (int i = 0; i < 4; i++) {
      u32 e = mine + 16 * i, entry = page * PAGE + e;
      UNROLL for (int g = 0; g < G; g++) {
        UNROLL for (int m = 4; m > 0; m >>= 1) dot[i][g] += lane_xor(dot[i][g], m);
        if (THREAD % 8 == 0) p[g * PAGE + e] = entry >= first && entry < limit ? capped(l, dot[i][g]) : -INFINITY;
      }
    }
    BARRIER();
    for (u32 g = WARP; g < G; g += 4) {
      float s0 = p[g * PAGE + LANE], s1 = p[g * PAGE + 32 + LANE];
      float before = state[g];
      float max = fmaxf(before, warp_max(fmaxf(s0, s1)));
      float w0 = weight_of(s0, max), w1 = weight_of(s1, max);
      p[g * PAGE + LANE] = w0;
      p[g * PAGE + 32 + LANE] = w1;
      float all = warp_sum(w0 + w1);
      float by = weight_of(before, max);
      WARP_BARRIER();
      if (LANE == 0) {
        state[g] = max;
        state[G + g] = state[G + g] * by + all;
        state[2 * G + g] = by;
      }
    }
    BARRIER();
    if (team < teams) {
      UNROLL for (int g = 0; g < G; g++) {
        sum[g][0] *= state[2 * G + g];
        sum[g][1] *= state[2 * G + g];
      }
      u32 most = limit - page * PAGE < PAGE ? limit - page * PAGE : PAGE;
      for (u32 e = team; e < most; e += 8 * teams) {
        float v[8][2];
        UNROLL for (int i = 0; i < 8; i++) {
          if (e + i * teams < most) load2(values + (e + i * teams) * dim + 2 * pair, v[i]);
          else v[i][0] = v[i][1] = 0;
        }
        UNROLL for (int i = 0; i < 8; i++) {
          UNROLL for (int g = 0; g < G; g++) {
            float w = e + i * teams < most ? p[g * PAGE + e + i * teams] : 0.0f;
            sum[g][0] += w * v[i][0];
            sum[g][1] += w * v[i][1];
          }
        }
      }
    }
    BARRIER();
  }
  // What the teams found, one team after the other.
  GLOBAL float *part = a.parts + (((u64)row * GROUPS_Z + block) * a.splits + GROUP_X) * G * (dim + 2);
  for (u32 t = 0; t < teams; t++) {
    if (team == t) {
      UNROLL for (int g = 0; g < G; g++) {
        LOCAL float *to = joined + g * 256 + 2 * pair;
        to[0] = t ? to[0] + sum[g][0] : sum[g][0];
        to[1] = t ? to[1] + sum[g][1] : sum[g][1];
      }
    }
    BARRIER();
  }
  for (u32 i = THREAD; i < G * dim; i += 128) part[i / dim * (dim + 2) + i % dim] = joined[i / dim * 256 + i % dim];
  if (THREAD < G) {
    part[THREAD * (dim + 2) + dim] = state[THREAD];
    part[THREAD * (dim + 2) + dim + 1] = state[G + THREAD];
  }
}
#define FEW_SHARES(G) \
  2 * SHARES(float, G * 256) + SHARES(float, G * PAGE) + SHARES(float, 3 * G) + SHARES(u32, 2 * MOST_HEADS)
#define FEW(T, name, G) \
  KERNEL_BOUNDS(attend_few_##name##_##G, AttendFewArgs, 128, 3, FEW_SHARES(G)) { attend_few<T, G>(HERE a); }
FEW(float, f32, 1) FEW(float, f32, 2) FEW(float, f32, 4) FEW(float, f32, 8)
FEW(f16, f16, 1) FEW(f16, f16, 2) FEW(f16, f16, 4) FEW(f16, f16, 8)
FEW(bf16, bf16, 1) FEW(bf16, bf16, 2) FEW(bf16, bf16, 4) FEW(bf16, bf16, 8)

// A group per query head (x) and row (y). `at_once` is the G of what made the parts.
struct MergeFewArgs {
  Look look;
  GLOBAL const float *parts;
  GLOBAL float *out;
  u32 splits;
  u32 at_once;
};
KERNEL_SHARING(merge_few, MergeFewArgs, SHARES(u32, 2 * MOST_HEADS)) {
  SHARED(u32, found, 2 * MOST_HEADS);
  FIXED const Look &l = a.look;
  const u32 row = GROUP_Y, head = GROUP_X, dim = l.dim, group = l.heads / l.layer.kv_heads;
  const u32 kv = head / group, blocks = (group + a.at_once - 1) / a.at_once;
  const Seen seen = {found, found + MOST_HEADS};
  look_at_all(HERE l, row, seen);
  u32 each = pages_each(l, seen, a.splits), before = 0, runs = 0;
  for (u32 h = 0; h <= kv; h++) {
    before += runs;
    runs = (seen.pages[h] + each - 1) / each;
  }
  const u32 block = head % group / a.at_once, g = head % group % a.at_once;
  GLOBAL const float *parts = a.parts + ((((u64)row * blocks + block) * a.splits + before) * a.at_once + g) * (dim + 2);
  const u64 step = (u64)a.at_once * (dim + 2);
  // Every warp finds out for itself.
  float max = -INFINITY;
  for (u32 i = LANE; i < runs; i += 32) max = fmaxf(max, parts[i * step + dim]);
  max = warp_max(max);
  if (l.sinks) max = fmaxf(max, l.sinks[head]);
  float sum = 0;
  for (u32 i = LANE; i < runs; i += 32) sum += weight_of(parts[i * step + dim], max) * parts[i * step + dim + 1];
  sum = warp_sum(sum);
  if (l.sinks) sum += weight_of(l.sinks[head], max);
  GLOBAL float *out = a.out + ((u64)row * l.heads + head) * dim;
  for (u32 d = THREAD; d < dim; d += THREADS) {
    float y = 0;
    UNROLL_BY(4) for (u32 i = 0; i < runs; i++) y += weight_of(parts[i * step + dim], max) * parts[i * step + d];
    out[d] = y / sum;
  }
}
