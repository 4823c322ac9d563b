// What buffers hold before the first step.
#ifndef SFT_CONTENTS_H
#define SFT_CONTENTS_H

#include "bundle.h"

// Fills a program's kept buffers, as BoundProgram.initialise does. What is read of the checkpoint
// is released, unless that is NULL.
void sft_fill_program(const sft_bundle *bundle, const sft_program_data *program,
                      const uint8_t *checkpoint, sft_release *release, void *arena);

// The float that a bfloat16 bit pattern stands for; exact.
static inline float sft_float_of(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

// The bfloat16 nearest to a float, ties to even; NaN stays NaN.
static inline uint16_t sft_bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)((bits | 0x400000) >> 16);
  return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// Rounds floats to bf16, in place.
void sft_round_to_bf16(float *values, int64_t count);

#endif
