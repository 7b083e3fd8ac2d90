// The largest of a row of numbers in two launches: each group finds those of its share, then one those of all.
//
// A number and its place are one key that is larger where the number is, and of equal ones where the place is lower;
// 0 is no key. Keys stand in runs of RUN, each sorted downwards (bitonic sorting); two runs are joined by taking of
// each place of one and the opposite place of the other the larger key, which leaves the RUN largest.

#define RUN 128
#define SHARE 2048  // keys that a group sorts at once

struct LargestArgs {
  GLOBAL const float *x;  // [count]
  GLOBAL u64 *parts;      // [groups][RUN]
  GLOBAL u32 *odd;        // [groups]: whether something was no finite number
  GLOBAL u32 *out;        // the same of all, a word that says nothing, then [wanted][number, place]
  u32 count, share, groups, wanted;
};
DEVICE u64 key_of(float x, u32 place) {
  u32 bits = __float_as_uint(x);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (u64)bits << 32 | (u32)~place;
}
DEVICE float number_of(u64 key) {
  u32 bits = (u32)(key >> 32);
  return __uint_as_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}
DEVICE void in_order(LOCAL u64 *a, LOCAL u64 *b, bool down) {
  u64 x = *a, y = *b;
  if ((x < y) == down) *a = y, *b = x;
}
DEVICE void sort_runs(WHERE LOCAL u64 *keys, u32 runs) {
  for (u32 size = 2; size <= RUN; size *= 2)
    for (u32 step = size / 2; step > 0; step /= 2) {
      for (u32 p = THREAD; p < runs * (RUN / 2); p += THREADS) {
        u32 i = 2 * p - (p & (step - 1));
        in_order(keys + i, keys + i + step, (i % RUN & size) == 0);
      }
      BARRIER();
    }
}
// The largest of `runs` runs, a power of two, become the first run.
DEVICE void join_runs(WHERE LOCAL u64 *keys, u32 runs) {
  for (u32 apart = 1; apart < runs; apart *= 2) {
    u32 pairs = runs / (2 * apart);
    for (u32 p = THREAD; p < pairs * RUN; p += THREADS) {
      LOCAL u64 *run = keys + (u64)(p / RUN) * 2 * apart * RUN;
      u64 other = run[apart * RUN + RUN - 1 - p % RUN];
      if (other > run[p % RUN]) run[p % RUN] = other;
    }
    BARRIER();
    for (u32 step = RUN / 2; step > 0; step /= 2) {
      for (u32 p = THREAD; p < pairs * (RUN / 2); p += THREADS) {
        u32 q = p % (RUN / 2);
        LOCAL u64 *run = keys + (u64)(p / (RUN / 2)) * 2 * apart * RUN + 2 * q - (q & (step - 1));
        in_order(run, run + step, true);
      }
      BARRIER();
    }
  }
}
KERNEL_BOUNDS(largest_parts, LargestArgs, 256, 2, SHARES(u64, RUN + SHARE) + SHARES(u32, 1)) {
  // The largest so far, and behind them new ones.
  SHARED(u64, keys, RUN + SHARE);
  SHARED(u32, odd, 1);
  const u32 from = GROUP_X * a.share, to = min(from + a.share, a.count);
  if (THREAD == 0) odd[0] = 0;
  for (u32 i = THREAD; i < RUN; i += THREADS) keys[i] = 0;
  BARRIER();
  for (u32 at = from; at < to; at += SHARE) {
    u32 here = min(to - at, (u32)SHARE), runs = 1;
    while (runs * RUN < here) runs *= 2;
    for (u32 i = THREAD; i < runs * RUN; i += THREADS) {
      u64 key = 0;
      if (i < here) {
        float x = a.x[at + i];
        if ((__float_as_uint(x) & 0x7fffffffu) >= 0x7f800000u) odd[0] = 1;
        key = key_of(x, at + i);
      }
      keys[RUN + i] = key;
    }
    BARRIER();
    sort_runs(HERE keys + RUN, runs);
    join_runs(HERE keys + RUN, runs);
    join_runs(HERE keys, 2);
  }
  for (u32 i = THREAD; i < RUN; i += THREADS) a.parts[(u64)GROUP_X * RUN + i] = keys[i];
  if (THREAD == 0) a.odd[GROUP_X] = odd[0];
}
KERNEL_BOUNDS(largest_of_all, LargestArgs, 512, 1, SHARES(u32, 1)) {
  LOCAL u64 *keys = (LOCAL u64 *)shared_dynamic();
  SHARED(u32, odd, 1);
  u32 runs = 1;
  while (runs < a.groups) runs *= 2;
  if (THREAD == 0) odd[0] = 0;
  for (u32 i = THREAD; i < runs * RUN; i += THREADS) keys[i] = i < a.groups * RUN ? a.parts[i] : 0;
  BARRIER();
  for (u32 i = THREAD; i < a.groups; i += THREADS)
    if (a.odd[i]) odd[0] = 1;
  join_runs(HERE keys, runs);
  BARRIER();
  for (u32 i = THREAD; i < a.wanted; i += THREADS) {
    a.out[2 + 2 * i] = __float_as_uint(number_of(keys[i]));
    a.out[3 + 2 * i] = ~(u32)keys[i];
  }
  if (THREAD == 0) a.out[0] = odd[0], a.out[1] = 0;
}
