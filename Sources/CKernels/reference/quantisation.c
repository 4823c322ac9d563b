// What bytes would cost, by plain loops.
#include "reference.h"

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
