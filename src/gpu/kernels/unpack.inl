// Packed weights as whole numbers, four in a word, with what they are to be multiplied by; from shared memory, as the file
// has them.

// n words from a place that is aligned to `align` bytes only; reads up to 4 bytes behind them.
template <int align, int n> DEVICE void words(const u8 *p, u32 *w) {
  if (align >= 16) {
    UNROLL for (int i = 0; i < n; i += 4) bytes16<16>(p + 4 * i, w + i);
  } else if (align >= 8) {
    UNROLL for (int i = 0; i < n; i += 2) {
      uint2 v = *(const uint2 *)(p + 4 * i);
      w[i] = v.x;
      w[i + 1] = v.y;
    }
  } else if (align >= 4) {
    UNROLL for (int i = 0; i < n; i++) w[i] = ((const u32 *)p)[i];
  } else {
    const u32 off = (u32)(u64)p & 3;
    const u32 *from = (const u32 *)(p - off);
    u32 before = from[0];
    UNROLL for (int i = 0; i < n; i++) {
      u32 next = from[i + 1];
      w[i] = funnel(before, next, 8 * off);
      before = next;
    }
  }
}

// What a lane takes of a type at once, and how scales are shared.
template <u32 F> struct Form {
  enum : u32 {
    SUPER = F == W_Q2_K || F == W_Q3_K || F == W_Q4_K || F == W_Q5_K || F == W_Q6_K || F == W_IQ4_XS,
    UNIT = SUPER ? 64 : 32,                                 // weights
    CROSSED = F == W_Q2_K || F == W_Q3_K || F == W_Q6_K,    // 16 of each of four neighbouring 32
    SCALES = CROSSED ? 4 : UNIT / 32,                       // of 16 each, or of 32
    LEAST = F != W_Q8_0 && F != W_IQ4_NL && F != W_IQ4_XS && F != W_MXFP4,  // something is added to each
  };
};

// Bytes of a table of 16 for the 8 places in `q`: those of the low halves of its bytes, and those of the high ones.
DEVICE void looked_up(u32 q, u32 t0, u32 t1, u32 t2, u32 t3, u32 *low, u32 *high) {
  const u32 which = 0x32103210u | (q & 0x88888888u) >> 1;
  u32 a = byte_perm(byte_perm(t0, t1, q), byte_perm(t2, t3, q), which);
  u32 b = byte_perm(byte_perm(t0, t1, q >> 16), byte_perm(t2, t3, q >> 16), which >> 16);
  *low = byte_perm(a, b, 0x6420);
  *high = byte_perm(a, b, 0x7531);
}
// Scales and minima of the 32s 2c and 2c + 1 of Q4_K and Q5_K, a byte each.
DEVICE void scale_pairs(const u32 *head, u32 c, u32 *scales, u32 *least) {
  const u32 by = 16 * (c & 1), lo = head[1] >> by, mid = head[2] >> by, hi = head[3] >> by;
  *scales = c < 2 ? lo & 0x3f3f : (hi & 0x0f0f) | (lo & 0xc0c0) >> 2;
  *least = c < 2 ? mid & 0x3f3f : (hi >> 4 & 0x0f0f) | (mid & 0xc0c0) >> 2;
}
// Four bits, the fifth of four weights, to the fifth of four bytes.
DEVICE u32 fifth(u32 bits) { return (bits & 15) * (0x00204081u << 4) & 0x10101010u; }

// The weights of unit u behind `row`: weight = scale · q + least, with Form<F>::SCALES of each.
template <u32 F> DEVICE void unpack(const u8 *row, u32 u, u32 *q, float *scale, float *least) {
  u32 w[8];
  if (F == W_Q4_0 || F == W_IQ4_NL) {
    const u8 *b = row + 18 * u;
    words<2, 4>(b + 2, w);
    scale[0] = half_at(b);
    least[0] = -8.0f * scale[0];
    UNROLL for (int i = 0; i < 4; i++) {
      if (F == W_IQ4_NL) {
        looked_up(w[i], 0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u, q + i, q + 4 + i);
      } else {
        q[i] = w[i] & 0x0f0f0f0fu;
        q[4 + i] = w[i] >> 4 & 0x0f0f0f0fu;
      }
    }
  } else if (F == W_Q4_1) {
    const u8 *b = row + 20 * u;
    words<4, 5>(b, w);
    scale[0] = half_of(w[0] & 0xffff, f16());
    least[0] = half_of(w[0] >> 16, f16());
    UNROLL for (int i = 0; i < 4; i++) {
      q[i] = w[1 + i] & 0x0f0f0f0fu;
      q[4 + i] = w[1 + i] >> 4 & 0x0f0f0f0fu;
    }
  } else if (F == W_Q5_0 || F == W_Q5_1) {
    u32 high;
    if (F == W_Q5_0) {
      const u8 *b = row + 22 * u;
      words<2, 5>(b + 2, w);
      high = w[0];
      scale[0] = half_at(b);
      least[0] = -16.0f * scale[0];
    } else {
      const u8 *b = row + 24 * u;
      words<8, 6>(b, w);
      scale[0] = half_of(w[0] & 0xffff, f16());
      least[0] = half_of(w[0] >> 16, f16());
      UNROLL for (int i = 0; i < 5; i++) w[i] = w[i + 1];
      high = w[0];
    }
    UNROLL for (int i = 0; i < 4; i++) {
      q[i] = (w[1 + i] & 0x0f0f0f0fu) | fifth(high >> (4 * i));
      q[4 + i] = (w[1 + i] >> 4 & 0x0f0f0f0fu) | fifth(high >> (16 + 4 * i));
    }
  } else if (F == W_Q8_0) {
    const u8 *b = row + 34 * u;
    words<2, 8>(b + 2, q);
    scale[0] = half_at(b);
  } else if (F == W_MXFP4) {
    const u8 *b = row + 17 * u;
    u32 e = b[0];
    scale[0] = __uint_as_float(e < 2 ? 0x00200000u << e : (e - 1) << 23);
    words<1, 4>(b + 1, w);
    UNROLL for (int i = 0; i < 4; i++)
      looked_up(w[i], 0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu, q + i, q + 4 + i);
  } else if (F == W_IQ4_XS) {
    const u8 *b = row + 136 * (u / 4);
    const u32 c = u % 4;
    u32 head[2];
    words<8, 2>(b, head);
    const float d = half_of(head[0] & 0xffff, f16());
    const u32 low = head[1] >> (8 * c), high = head[0] >> (16 + 4 * c);
    scale[0] = d * ((float)((low & 15) | (high & 3) << 4) - 32.0f);
    scale[1] = d * ((float)((low >> 4 & 15) | (high >> 2 & 3) << 4) - 32.0f);
    words<8, 8>(b + 8 + 32 * c, w);
    UNROLL for (int i = 0; i < 8; i++)
      looked_up(w[i], 0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u, q + i / 4 * 8 + i % 4, q + i / 4 * 8 + 4 + i % 4);
  } else if (F == W_Q4_K || F == W_Q5_K) {
    const u8 *b = row + (F == W_Q4_K ? 144 : 176) * (u / 4);
    const u32 c = u % 4;
    u32 head[4], scales, minima;
    words<16, 4>(b, head);
    scale_pairs(head, c, &scales, &minima);
    const float d = half_of(head[0] & 0xffff, f16()), m = -half_of(head[0] >> 16, f16());
    scale[0] = d * (float)(scales & 255);
    scale[1] = d * (float)(scales >> 8 & 255);
    least[0] = m * (float)(minima & 255);
    least[1] = m * (float)(minima >> 8 & 255);
    words<16, 8>(b + (F == W_Q4_K ? 16 : 48) + 32 * c, w);
    UNROLL for (int i = 0; i < 8; i++) {
      q[i] = w[i] & 0x0f0f0f0fu;
      q[8 + i] = w[i] >> 4 & 0x0f0f0f0fu;
    }
    if (F == W_Q5_K) {
      words<16, 8>(b + 16, w);
      UNROLL for (int i = 0; i < 8; i++) {
        const u32 high = w[i] >> (2 * c);
        q[i] |= (high & 0x01010101u) << 4;
        q[8 + i] |= (high & 0x02020202u) << 3;
      }
    }
  } else if (F == W_Q6_K) {
    const u8 *b = row + 210 * (u / 4);
    const u32 n = u / 2 & 1, half = u & 1;
    u32 high[4], scales[2];
    words<2, 4>(b + 64 * n + 16 * half, w);
    words<2, 4>(b + 64 * n + 32 + 16 * half, w + 4);
    words<2, 4>(b + 128 + 32 * n + 16 * half, high);
    words<2, 2>(b + 192 + 8 * n, scales);
    const float d = half_at(b + 208);
    UNROLL for (int k = 0; k < 4; k++) {
      scale[k] = d * (float)(i8)(scales[k / 2] >> (16 * (k % 2) + 8 * half) & 255);
      least[k] = -32.0f * scale[k];
      UNROLL for (int i = 0; i < 4; i++)
        q[4 * k + i] = (w[4 * (k % 2) + i] >> (4 * (k / 2)) & 0x0f0f0f0fu) | (high[i] >> (2 * k) & 0x03030303u) << 4;
    }
  } else if (F == W_Q3_K) {
    const u8 *b = row + 110 * (u / 4);
    const u32 n = u / 2 & 1, half = u & 1;
    u32 high[4], scales[3];
    words<2, 4>(b + 32 + 32 * n + 16 * half, w);
    words<2, 4>(b + 16 * half, high);
    words<2, 3>(b + 96, scales);
    const float d = half_at(b + 108);
    UNROLL for (int k = 0; k < 4; k++) {
      const u32 low4 = scales[k / 2] >> (16 * (k % 2) + 8 * half + 4 * n);
      const u32 high2 = scales[2] >> (16 * (k % 2) + 8 * half + 4 * n + 2 * (k / 2));
      scale[k] = d * ((float)((low4 & 15) | (high2 & 3) << 4) - 32.0f);
      least[k] = -4.0f * scale[k];
      UNROLL for (int i = 0; i < 4; i++)
        q[4 * k + i] = (w[i] >> (2 * k) & 0x03030303u) | (high[i] >> (4 * n + k) & 0x01010101u) << 2;
    }
  } else if (F == W_Q2_K) {
    const u8 *b = row + 84 * (u / 4);
    const u32 n = u / 2 & 1, half = u & 1;
    u32 scales[2], d;
    words<4, 4>(b + 16 + 32 * n + 16 * half, w);
    words<4, 2>(b + 8 * n, scales);
    words<4, 1>(b + 80, &d);
    const float of_scale = half_of(d & 0xffff, f16()), of_least = -half_of(d >> 16, f16());
    UNROLL for (int k = 0; k < 4; k++) {
      const u32 both = scales[k / 2] >> (16 * (k % 2) + 8 * half);
      scale[k] = of_scale * (float)(both & 15);
      least[k] = of_least * (float)(both >> 4 & 15);
      UNROLL for (int i = 0; i < 4; i++) q[4 * k + i] = w[i] >> (2 * k) & 0x03030303u;
    }
  }
}
