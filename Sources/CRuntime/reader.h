// Little-endian numbers of a file that nobody vouches for: what would lie behind its end reads as
// zero, and the reader remembers that.
#ifndef SFT_READER_H
#define SFT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct sft_reader {
  const uint8_t *at, *end;
  bool has_failed;
} sft_reader;

static inline const uint8_t *sft_take(sft_reader *r, int64_t count) {
  if (r->has_failed || count < 0 || count > r->end - r->at) {
    r->has_failed = true;
    return NULL;
  }
  const uint8_t *start = r->at;
  r->at += count;
  return start;
}

static inline uint64_t sft_take_unsigned(sft_reader *r, int bytes) {
  const uint8_t *from = sft_take(r, bytes);
  uint64_t value = 0;
  for (int i = 0; from && i < bytes; ++i) value |= (uint64_t)from[i] << (8 * i);
  return value;
}

static inline int64_t sft_take_integer(sft_reader *r) { return (int64_t)sft_take_unsigned(r, 8); }

static inline double sft_take_double(sft_reader *r) {
  const uint64_t bits = sft_take_unsigned(r, 8);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float sft_take_float(sft_reader *r) {
  const uint32_t bits = (uint32_t)sft_take_unsigned(r, 4);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// A count of things of at least `bytes` bytes each; fails if so many can't follow.
static inline int64_t sft_take_count(sft_reader *r, int64_t bytes) {
  const int64_t count = (int64_t)sft_take_unsigned(r, 4);
  if (count > (r->end - r->at) / bytes) {
    r->has_failed = true;
    return 0;
  }
  return count;
}

#endif
