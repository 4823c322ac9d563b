// Random numbers that are the same on every machine: xoshiro256** (Blackman & Vigna 2018), its
// state filled by SplitMix64. A seed has independent streams.
#ifndef SFT_RANDOM_H
#define SFT_RANDOM_H

#include <stdint.h>

typedef struct sft_random {
  uint64_t s[4];
} sft_random;

static inline sft_random sft_random_stream(uint64_t seed, uint64_t stream) {
  sft_random random;
  uint64_t state = seed ^ (stream * 0xD1B54A32D192ED03u);
  for (int i = 0; i < 4; ++i) {
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    random.s[i] = z ^ (z >> 31);
  }
  return random;
}

static inline uint64_t sft_turned(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static inline uint64_t sft_random_next(sft_random *r) {
  uint64_t *s = r->s;
  const uint64_t result = sft_turned(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = sft_turned(s[3], 45);
  return result;
}

// Uniform in [0, 1).
static inline double sft_uniform(sft_random *r) {
  return (double)(sft_random_next(r) >> 11) * 0x1p-53;
}

// The high and the low half of a product of 64-bit numbers.
static inline uint64_t sft_wide_product(uint64_t a, uint64_t b, uint64_t *low) {
  const uint64_t mask = 0xFFFFFFFFu;
  const uint64_t first = (a & mask) * (b & mask), second = (a >> 32) * (b & mask);
  const uint64_t third = (a & mask) * (b >> 32);
  const uint64_t middle = (first >> 32) + (second & mask) + (third & mask);
  *low = (middle << 32) | (first & mask);
  return (a >> 32) * (b >> 32) + (second >> 32) + (third >> 32) + (middle >> 32);
}

// Uniform in 0 … bound − 1, without bias (Lemire 2019).
static inline uint64_t sft_random_below(sft_random *r, uint64_t bound) {
  uint64_t low, high = sft_wide_product(sft_random_next(r), bound, &low);
  if (low < bound) {
    const uint64_t threshold = (0 - bound) % bound;
    while (low < threshold) high = sft_wide_product(sft_random_next(r), bound, &low);
  }
  return high;
}

#endif
