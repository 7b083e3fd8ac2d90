// Products of packed weights with a few rows in whole numbers: inputs as bytes, a scale for each 32 of them; weights as
// the bytes that are packed in them, four products an instruction.
//
// A warp takes outputs in turn, and of each a job of 2048 weights after the other. The bytes of its next jobs are on
// their way into shared memory, as they lie, before it looks at its inputs; so whatever the file aligns them to, they
// come in runs of 16 bytes, and their number does not depend on registers.

struct PackedArgs {
  Stack w;
  const float *x;       // [rows, inputs]; for a gate before the product [rows, gate | up]
  const float *norm;    // [inputs], or null
  const float *bias;    // [outputs], or null
  const float *scales;  // [outputs], or null
  const float *plus;    // [rows, outputs], or null; may be `out`
  float *out;           // for a gate behind the product [rows, outputs / 2]
  u32 inputs, outputs, rows;
  u32 stage;            // bytes that a job of one row of weights takes in shared memory at most
  float epsilon;
  u32 gate;             // of the inputs: 0: none, else one more than its number
  u32 gated;            // of the outputs, whose halves are gate and up; likewise
  u32 job[3];           // bytes of JOB weights of each part
};

#define JOB 2048
// Where inputs 16 p … are in shared memory: 16 bytes spare behind every 64, so that lanes hit different banks.
DEVICE u32 piece_at(u32 p) { return 16 * (p + p / 4); }
DEVICE u32 input_bytes(u32 inputs) { return piece_at((inputs + 63) / 64 * 4); }

// Of 32 inputs: what one step is worth, and the sums of the first and the last 16, two bytes each.
struct Block {
  float step;
  u32 sums;
};
DEVICE int first_sum(u32 sums) { return (int)(sums << 16) >> 16; }
DEVICE int last_sum(u32 sums) { return (int)sums >> 16; }

// 8 inputs of a lane, from i on of row r; the sum of their squares comes back, where there is a norm.
DEVICE float load_inputs(const PackedArgs &a, u32 r, u32 i, float *v) {
  float square = 0;
  if (i >= a.inputs) {
    UNROLL for (int j = 0; j < 8; j++) v[j] = 0;
    return square;
  }
  const float *x = a.x + (u64)r * a.inputs * (a.gate ? 2 : 1) + i;
  load4(x, v);
  load4(x + 4, v + 4);
  if (a.gate) {
    float u[8];
    load4(x + a.inputs, u);
    load4(x + a.inputs + 4, u + 4);
    UNROLL for (int j = 0; j < 8; j++) v[j] = gate_of(a.gate - 1, v[j], u[j]);
  }
  if (a.norm) {
    float w[8];
    load4(a.norm + i, w);
    load4(a.norm + i + 4, w + 4);
    UNROLL for (int j = 0; j < 8; j++) {
      square += v[j] * v[j];
      v[j] *= w[j];
    }
  }
  return square;
}
// As bytes, into shared memory; four lanes have a block.
DEVICE void pack_eight(const PackedArgs &a, u32 i, const float *v, u8 *xs, Block *blocks) {
  // As bits: what is no number is above all numbers.
  u32 most = 0;
  UNROLL for (int j = 0; j < 8; j++) most = max(most, __float_as_uint(v[j]) & 0x7fffffffu);
  most = max(most, lane_xor(most, 1));
  most = max(most, lane_xor(most, 2));
  const bool odd = most >= 0x7f800000u, none = most < 0x0da24260u;  // below 1e-30
  const float largest = __uint_as_float(most);
  const float by = odd || none ? 0.0f : 127.0f / largest;
  u32 q[2] = {0, 0};
  if (!odd) {
    // Behind this sum the nearest whole number is the last byte.
    UNROLL for (int j = 0; j < 8; j++) q[j / 4] |= (__float_as_uint(v[j] * by + 12582912.0f) & 255) << (8 * (j % 4));
  }
  int sum = __dp4a((int)q[0], 0x01010101, __dp4a((int)q[1], 0x01010101, 0));
  sum += lane_xor(sum, 1);
  const int beside = lane_xor(sum, 2);
  if (i >= a.inputs) return;
  u32 *to = (u32 *)(xs + piece_at(i / 16) + i % 16);
  to[0] = q[0];
  to[1] = q[1];
  if (LANE % 4 == 0) {
    Block b;
    b.step = odd ? __uint_as_float(0x7fc00000u) : none ? 0.0f : largest / 127.0f;
    b.sums = ((u32)sum & 0xffff) | (u32)beside << 16;
    blocks[i / 32] = b;
  }
}
// All inputs, 256 a warp and two times that on their way; and each warp's share of the sums of squares to `squares`.
template <int R> DEVICE void pack_inputs(const PackedArgs &a, u8 *xs, Block *blocks, float *squares) {
  const u32 row_bytes = input_bytes(a.inputs), row_blocks = a.inputs / 32;
  const u32 runs = (a.inputs + 255) / 256, all = runs * a.rows;
  if (a.norm) {
    if (LANE < R) squares[32 * LANE + WARP] = 0;
    WARP_BARRIER();
  }
  UNROLL_BY(1) for (u32 run = WARP; run < all; run += 2 * WARPS) {
    float v[2][8], square[2];
    u32 r[2], i[2];
    UNROLL for (int h = 0; h < 2; h++) {
      const u32 at = run + h * WARPS;
      r[h] = R == 1 ? 0 : at / runs;
      i[h] = at < all ? 256 * (at - r[h] * runs) + 8 * LANE : a.inputs;
      square[h] = load_inputs(a, r[h], i[h], v[h]);
    }
    UNROLL for (int h = 0; h < 2; h++) {
      if (run + h * WARPS >= all) continue;
      pack_eight(a, i[h], v[h], xs + r[h] * row_bytes, blocks + r[h] * row_blocks);
      if (a.norm) {
        const float s = warp_sum(square[h]);
        if (LANE == 0) squares[32 * r[h] + WARP] += s;
      }
    }
  }
}

// Adds to `sum` what `count` weights of N rows (a job's, in shared memory) give with inputs from 16 `piece` on.
template <u32 F, int R, int N>
DEVICE void do_job(const u8 *const *rows, u32 count, const u8 *xs, u32 row_bytes, const Block *blocks, u32 row_blocks,
                   u32 piece, float (*sum)[R]) {
  typedef Form<F> Of;
  UNROLL_BY(1) for (u32 u = LANE; u < count / Of::UNIT; u += 32) {
    u32 q[N][Of::UNIT / 4];
    float scale[N][Of::SCALES], least[N][Of::SCALES];
    UNROLL for (int n = 0; n < N; n++) unpack<F>(rows[n], u, q[n], scale[n], least[n]);
    const u32 half = Of::CROSSED ? u & 1 : 0;
    const u32 first = piece + (Of::CROSSED ? 16 * (u / 4) + 8 * (u / 2 & 1) + half : u * (Of::UNIT / 16));
    UNROLL for (int r = 0; r < R; r++) {
      UNROLL for (int k = 0; k < (int)Of::SCALES; k++) {
        const Block b = blocks[r * row_blocks + first / 2 + k];
        u32 x[8];
        if (Of::CROSSED) {
          words<16, 4>(xs + r * row_bytes + piece_at(first + 2 * k), x);
        } else {
          words<16, 4>(xs + r * row_bytes + piece_at(first + 2 * k), x);
          words<16, 4>(xs + r * row_bytes + piece_at(first + 2 * k + 1), x + 4);
        }
        const int inputs = Of::CROSSED ? (half ? last_sum(b.sums) : first_sum(b.sums)) : first_sum(b.sums) + last_sum(b.sums);
        UNROLL for (int n = 0; n < N; n++) {
          int dot = 0;
          UNROLL for (int i = 0; i < (Of::CROSSED ? 4 : 8); i++)
            dot = __dp4a((int)q[n][k * (Of::CROSSED ? 4 : 8) + i], (int)x[i], dot);
          float y = scale[n][k] * (float)dot;
          if (Of::LEAST) y += least[n][k] * (float)inputs;
          sum[n][r] += b.step * y;
        }
      }
    }
  }
}

#define EACH_PACKED(format, CASE)                                                                     \
  switch (format) {                                                                                   \
    CASE(W_Q4_0) CASE(W_Q4_1) CASE(W_Q5_0) CASE(W_Q5_1) CASE(W_Q8_0) CASE(W_Q2_K) CASE(W_Q3_K)        \
    CASE(W_Q4_K) CASE(W_Q5_K) CASE(W_Q6_K) CASE(W_IQ4_NL) CASE(W_IQ4_XS) CASE(W_MXFP4)                \
  }

// N rows of weights of one part that a warp is at: neighbours, or one of the gate's half and one of the other. Behind
// a part's last row there may be fewer; then the last stands for them.
struct Tile {
  const u8 *row;
  u64 next;    // bytes from one row to the next
  u32 output;  // of the first
  u32 rows;
  u32 part;
};
DEVICE u32 part_outputs(const PackedArgs &a, u32 p) {
  const u32 end = p + 1 < a.w.parts ? a.w.first[p + 1] : a.gated ? a.outputs / 2 : a.outputs;
  return end - a.w.first[p];
}
template <int N> DEVICE u32 tiles_of(const PackedArgs &a) {
  const u32 n = a.gated ? 1 : N;
  u32 tiles = 0;
  for (u32 p = 0; p < a.w.parts; p++) tiles += (part_outputs(a, p) + n - 1) / n;
  return tiles;
}
template <int N> DEVICE Tile tile_of(const PackedArgs &a, u32 tile) {
  const u32 n = a.gated ? 1 : N;
  Tile t;
  t.part = 0;
  for (; t.part + 1 < a.w.parts; t.part++) {
    const u32 tiles = (part_outputs(a, t.part) + n - 1) / n;
    if (tile < tiles) break;
    tile -= tiles;
  }
  const u32 bytes = a.w.row_bytes[t.part], left = part_outputs(a, t.part) - tile * n;
  t.output = a.w.first[t.part] + tile * n;
  t.row = a.w.data[t.part] + (u64)(tile * n) * bytes;
  t.rows = a.gated ? N : left < (u32)N ? left : N;
  t.next = a.gated ? (u64)(a.outputs / 2) * bytes : bytes;
  return t;
}
// The n-th of its rows.
DEVICE const u8 *row_of(const Tile &t, u32 n) { return t.row + (n < t.rows ? n : t.rows - 1) * t.next; }

// R rows at once (or fewer), N rows of weights, and the bytes of S jobs on their way or looked at. Weights are never
// written: they are fetched while the launches before this one still run.
template <int R, int N, int S> DEVICE void mat_vec_packed(const PackedArgs &a) {
  SHARED(float, squares, 32 * R);
  const u32 row_bytes = input_bytes(a.inputs), row_blocks = a.inputs / 32;
  u8 *xs = shared_dynamic();
  Block *blocks = (Block *)(xs + R * row_bytes);
  u8 *ring = (u8 *)blocks + (R * row_blocks * 8 + 15) / 16 * 16 + WARP * (S * N * a.stage);
  const u32 tiles = tiles_of<N>(a);
  const u32 first = GROUP_X + GROUPS_X * WARP, stride = GROUPS_X * WARPS;

  // Where the next bytes come from and go to.
  u32 next_tile = first, next_at = 0, next_stage = 0;
  Tile next = tile_of<N>(a, first < tiles ? first : 0);
  auto fetch = [&]() {
    if (next_tile < tiles) {
      const u32 all = a.w.row_bytes[next.part];
      const u32 bytes = min(all - next_at, a.job[next.part]);
      UNROLL for (int n = 0; n < N; n++) {
        const u8 *from = row_of(next, n) + next_at;
        const u32 off = (u32)(u64)from & 15;
        u8 *to = ring + (next_stage * N + n) * a.stage;
        for (u32 i = 16 * LANE; i < off + bytes; i += 512) copy16_later(to + i, from - off + i);
      }
      next_at += bytes;
      if (next_at == all) {
        next_at = 0;
        next_tile += stride;
        if (next_tile < tiles) next = tile_of<N>(a, next_tile);
      }
    }
    copies_end();
    next_stage = next_stage + 1 == S ? 0 : next_stage + 1;
  };
  UNROLL_BY(1) for (int s = 0; s < S; s++) fetch();

  launched_before();
  pack_inputs<R>(a, xs, blocks, squares);
  BARRIER();
  float by[R];
  UNROLL for (int r = 0; r < R; r++) {
    by[r] = 1.0f;
    if (a.norm) {
      float all = 0;
      for (u32 w = 0; w < WARPS; w++) all += squares[32 * r + w];
      by[r] = 1.0f / sqrtf(all / (float)a.inputs + a.epsilon);
    }
  }

  u32 stage = 0;
  for (u32 tile = first; tile < tiles; tile += stride) {
    const Tile t = tile_of<N>(a, tile);
    const u32 format = a.w.format[t.part], job = a.job[t.part];
    const u32 o = t.output, apart = a.gated ? a.outputs / 2 : 1;
    // What stands behind is there before it is needed; lane r has it for row r.
    float times[N], bias[N], plus[N];
    UNROLL for (int n = 0; n < N; n++) {
      const bool mine = LANE < a.rows && n < (int)t.rows;
      times[n] = mine && a.scales ? a.scales[o + n * apart] : 1.0f;
      bias[n] = mine && a.bias ? a.bias[o + n * apart] : 0.0f;
      plus[n] = mine && a.plus ? a.plus[(u64)LANE * a.outputs + o + n] : 0.0f;
    }
    float sum[N][R];
    UNROLL for (int n = 0; n < N; n++) UNROLL for (int r = 0; r < R; r++) sum[n][r] = 0;
    u32 at = 0;
    for (u32 done = 0; done < a.inputs; done += JOB, at += job) {
      const u32 count = a.inputs - done < JOB ? a.inputs - done : JOB;
      const u8 *rows[N];
      UNROLL for (int n = 0; n < N; n++)
        rows[n] = ring + (stage * N + n) * a.stage + ((u32)(u64)(row_of(t, n) + at) & 15);
      copies_wait<S - 1>();
      WARP_BARRIER();
#define ONE(F) case F: do_job<F, R, N>(rows, count, xs, row_bytes, blocks, row_blocks, done / 16, sum); break;
      EACH_PACKED(format, ONE)
#undef ONE
      WARP_BARRIER();
      fetch();
      stage = stage + 1 == S ? 0 : stage + 1;
    }
    float y[N];
    UNROLL for (int n = 0; n < N; n++) UNROLL for (int r = 0; r < R; r++) {
      const float s = warp_sum(sum[n][r]) * by[r];
      if (r == 0 || LANE == (u32)r) y[n] = s;
    }
    if (LANE < a.rows) {
      UNROLL for (int n = 0; n < N; n++) y[n] = y[n] * times[n] + bias[n];
      if (a.gated) a.out[(u64)LANE * (a.outputs / 2) + o] = gate_of(a.gated - 1, y[0], y[N - 1]);
      else UNROLL for (int n = 0; n < N; n++)
        if (n < (int)t.rows) a.out[(u64)LANE * a.outputs + o + n] = y[n] + plus[n];
    }
  }
}
KERNEL_EARLY(mat_vec_packed_1, PackedArgs, 512, 1, SHARES(float, 32 * 1)) { mat_vec_packed<1, 2, 2>(a); }
KERNEL_EARLY(mat_vec_packed_2, PackedArgs, 512, 1, SHARES(float, 32 * 2)) { mat_vec_packed<2, 2, 2>(a); }
KERNEL_EARLY(mat_vec_packed_4, PackedArgs, 512, 1, SHARES(float, 32 * 4)) { mat_vec_packed<4, 2, 2>(a); }
KERNEL_EARLY(mat_vec_packed_8, PackedArgs, 256, 1, SHARES(float, 32 * 8)) { mat_vec_packed<8, 2, 2>(a); }
