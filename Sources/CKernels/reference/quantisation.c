// Rows kept as bytes, and what bytes would cost, by plain loops.
#include "reference.h"

SFT_REFERENCE(quantise_rows_f32) {
  const float *x = call->buffers[0];
  uint8_t *q = call->buffers[1];
  float *scales = call->buffers[2];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    float highest = 0;
    for (int64_t l = 0; l < width; ++l) {
      float magnitude = fabsf(x[i * width + l]);
      if (magnitude > highest || isnan(magnitude)) highest = magnitude;
    }
    const float inverse = highest > 0 ? 127 / highest : 0;
    scales[i] = highest / 127;
    for (int64_t l = 0; l < width; ++l) {
      float scaled = rintf(x[i * width + l] * inverse);
      q[i * width + l] = isnan(scaled) ? 128 : (uint8_t)(scaled + 128);
    }
  }
}

static inline float restored(const sft_call *call, int64_t row, int64_t column) {
  const uint8_t *q = call->buffers[0];
  const float *scales = call->buffers[1];
  return scales[row] * (float)((int)q[row * call->sizes[0] + column] - 128);
}

SFT_REFERENCE(restore_rows_f32) {
  float *x = call->buffers[2];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t l = 0; l < width; ++l) x[i * width + l] = restored(call, i, l);
  }
}

SFT_REFERENCE(restore_rows_bf16) {
  uint16_t *x = call->buffers[2];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t l = 0; l < width; ++l) {
      x[i * width + l] = sft_narrow_bf16(restored(call, i, l));
    }
  }
}

SFT_REFERENCE(quantisation_error) {
  const float *x = call->buffers[0], *g = call->buffers[1];
  double *sums = call->buffers[2];
  const int64_t rows = call->sizes[0], width = call->sizes[1], size = (rows + 63) / 64;
  for (int64_t part = begin; part < end; ++part) {
    for (int64_t i = part * size; i < sft_min((part + 1) * size, rows); ++i) {
      float highest = 0;
      for (int64_t l = 0; l < width; ++l) {
        float magnitude = fabsf(x[i * width + l]);
        if (magnitude > highest || isnan(magnitude)) highest = magnitude;
      }
      const float scale = highest / 127, inverse = highest > 0 ? 127 / highest : 0;
      for (int64_t l = 0; l < width; ++l) {
        float value = x[i * width + l];
        double change = (double)g[i * width + l] * (value - scale * rintf(value * inverse));
        sums[part] += change * change;
      }
    }
  }
}

SFT_REFERENCE(column_magnitudes) {
  const float *x = call->buffers[0];
  float *highest = call->buffers[1];
  const int64_t rows = call->sizes[0], width = call->sizes[1];
  for (int64_t l = begin; l < end; ++l) {
    for (int64_t i = 0; i < rows; ++i) {
      float magnitude = fabsf(x[i * width + l]);
      if (magnitude > highest[l]) highest[l] = magnitude;
    }
  }
}
