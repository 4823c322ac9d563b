#include "sha256.h"

#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t x, int by) { return x >> by | x << (32 - by); }

// The next word of a schedule, in the place of the one sixteen words before.
static uint32_t next_word(uint32_t w[16], int i) {
  const uint32_t a = w[(i + 1) % 16], b = w[(i + 14) % 16];
  w[i % 16] += (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[(i + 9) % 16] +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
  return w[i % 16];
}

// A round; instead of moving all eight variables on, the next round names them anew. `word` is a
// constant, and so are the places of all words that it takes.
#define ROUND(a, b, c, d, e, f, g, h, word)                                                     \
  do {                                                                                          \
    const uint32_t t = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) +                  \
                       (g ^ (e & (f ^ g))) + k[word] + (k == K ? w[word] : next_word(w, word)); \
    d += t;                                                                                     \
    h = t + (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) | (c & (a | b)));      \
  } while (0)

#define EIGHT_ROUNDS(word)                     \
  do {                                         \
    ROUND(a, b, c, d, e, f, g, h, word);       \
    ROUND(h, a, b, c, d, e, f, g, (word) + 1); \
    ROUND(g, h, a, b, c, d, e, f, (word) + 2); \
    ROUND(f, g, h, a, b, c, d, e, (word) + 3); \
    ROUND(e, f, g, h, a, b, c, d, (word) + 4); \
    ROUND(d, e, f, g, h, a, b, c, (word) + 5); \
    ROUND(c, d, e, f, g, h, a, b, (word) + 6); \
    ROUND(b, c, d, e, f, g, h, a, (word) + 7); \
  } while (0)

static void take_block(uint32_t state[8], const uint8_t *block) {
  uint32_t w[16];
  for (int i = 0; i < 16; ++i) {
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (const uint32_t *k = K; k < K + 64; k += 16) {
    EIGHT_ROUNDS(0);
    EIGHT_ROUNDS(8);
  }
  const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += sums[i];
}

void sft_sha256_start(sft_sha256 *hash) {
  *hash = (sft_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sft_sha256_update(sft_sha256 *hash, const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  size_t held = (size_t)(hash->count % 64);
  hash->count += count;
  if (held > 0) {
    const size_t taken = count < 64 - held ? count : 64 - held;
    memcpy(hash->block + held, from, taken);
    from += taken;
    count -= taken;
    if (held + taken < 64) return;
    take_block(hash->state, hash->block);
  }
  for (; count >= 64; from += 64, count -= 64) take_block(hash->state, from);
  if (count > 0) memcpy(hash->block, from, count);
}

void sft_sha256_finish(sft_sha256 *hash, uint8_t digest[SFT_DIGEST_BYTES]) {
  static const uint8_t padding[64] = {0x80};
  const uint64_t bits = hash->count * 8;
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  sft_sha256_update(hash, padding, 1 + (size_t)((119 - hash->count % 64) % 64));
  sft_sha256_update(hash, length, sizeof length);
  for (int i = 0; i < SFT_DIGEST_BYTES; ++i) {
    digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
  }
}
