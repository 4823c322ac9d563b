// Rotary positions (Su et al. 2021), "halves" layout.
#include "reference.h"

SFT_REFERENCE(rotary) {
  const float *x = call->buffers[0], *cosine = call->buffers[1], *sine = call->buffers[2];
  float *y = call->buffers[3];
  const int32_t *first = call->buffers[4];
  const int64_t *s = call->sizes, heads = s[0], width = s[1], tokens = s[2], half = width / 2;
  for (int64_t row = begin; row < end; ++row) {
    int64_t position = (first ? *first : 0) + row % tokens;
    for (int64_t head = 0; head < heads; ++head) {
      for (int64_t i = 0; i < half; ++i) {
        float a = x[row * s[3] + head * width + i], b = x[row * s[3] + head * width + half + i];
        float c = cosine[position * half + i], d = call->scalars[0] * sine[position * half + i];
        y[row * s[4] + head * width + i] = a * c - b * d;
        y[row * s[4] + head * width + half + i] = b * c + a * d;
      }
    }
  }
}

SFT_REFERENCE(rotary_bf16) {
  const uint16_t *x = call->buffers[0];
  const float *cosine = call->buffers[1], *sine = call->buffers[2];
  uint16_t *y = call->buffers[3];
  const int32_t *first = call->buffers[4];
  const int64_t *s = call->sizes, heads = s[0], width = s[1], tokens = s[2], half = width / 2;
  for (int64_t row = begin; row < end; ++row) {
    int64_t position = (first ? *first : 0) + row % tokens;
    for (int64_t head = 0; head < heads; ++head) {
      const uint16_t *from = x + row * s[3] + head * width;
      uint16_t *to = y + row * s[4] + head * width;
      for (int64_t i = 0; i < half; ++i) {
        float a = sft_widen_bf16(from[i]), b = sft_widen_bf16(from[half + i]);
        float c = cosine[position * half + i], d = call->scalars[0] * sine[position * half + i];
        to[i] = sft_narrow_bf16(a * c - b * d);
        to[half + i] = sft_narrow_bf16(b * c + a * d);
      }
    }
  }
}
