// Steps of matrices that are trained in int8 with a scale per row. What is rounded is computed in
// float, in the order of sft_kernels.def, so that every instruction set gives the same integers.
#include "reference.h"

SFT_REFERENCE(sgd_direction_int8) {
  const int8_t *q = call->buffers[0];
  const float *scales = call->buffers[1], *hyper = call->buffers[4];
  float *gradient = call->buffers[2];
  uint16_t *velocity = call->buffers[3];
  const double momentum = call->scalars[0], decay = call->scalars[1];
  const int64_t k = call->sizes[1];
  const uint32_t salt = sft_salt(call->sizes[0], hyper);
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t i = row * k; i < (row + 1) * k; ++i) {
      const double g = (double)hyper[3] * gradient[i] + decay * ((double)scales[row] * q[i]);
      const double m = momentum * sft_widen_bf16(velocity[i]) + g;
      gradient[i] = (float)m;
      velocity[i] = sft_narrow_randomly((float)m, sft_random_bits((uint32_t)i, salt) & 0xFFFF);
    }
  }
}

static inline float rounded(float x, int64_t rounding, uint32_t random) {
  const float below = floorf(x), part = x - below;
  if (rounding == SFT_ROUND_NEAREST) return part > 0.5f ? below + 1 : below;
  if (rounding == SFT_ROUND_TO_ZERO) return x < 0 && part > 0 ? below + 1 : below;
  return part > (float)(random >> 8) * 0x1p-24f ? below + 1 : below;
}

SFT_REFERENCE(step_int8) {
  int8_t *q = call->buffers[0];
  float *scales = call->buffers[1];
  const float *direction = call->buffers[2], *hyper = call->buffers[3];
  const int64_t k = call->sizes[1], rounding = call->sizes[2];
  const float keep = (float)(1 - (double)hyper[0] * call->scalars[0]);
  const float rate = call->sizes[4] ? hyper[0] * hyper[3] : hyper[0];
  const uint32_t salt = sft_salt(call->sizes[0], hyper) ^ SFT_STEP_SALT;
  uint16_t *velocity = call->buffers[4];
  const float share = hyper[0] > 0 ? call->scalars[1] / hyper[0] : 0;
  for (int64_t row = begin; row < end; ++row) {
    const float step = call->sizes[3] ? rate / scales[row] : rate * scales[row];
    float largest = 0;
    bool is_finite = true;
    int64_t clipped = 0;
    for (int64_t i = row * k; i < (row + 1) * k; ++i) {
      const float x = keep * (float)q[i] - step * direction[i];
      is_finite = is_finite && isfinite(x);
      largest = fmaxf(largest, fabsf(x));
      clipped += fabsf(rounded(x, rounding, sft_random_bits((uint32_t)i, salt))) > 127;
    }
    if (!is_finite) {
      scales[row] = NAN;
      continue;
    }
    float shrink = 1;
    if (1000 * clipped > k) {
      shrink = 127 / (1.25f * largest);
      scales[row] *= 1.25f * largest / 127;
    }
    for (int64_t i = row * k; i < (row + 1) * k; ++i) {
      const float x = (keep * (float)q[i] - step * direction[i]) * shrink;
      const float y = rounded(x, rounding, sft_random_bits((uint32_t)i, salt));
      q[i] = (int8_t)(y > 127 ? 127 : y < -127 ? -127 : y);
      if (!velocity) continue;
      const float m = sft_widen_bf16(velocity[i]) + share * (scales[row] * (x - (float)q[i]));
      const uint32_t random = sft_random_bits((uint32_t)i, salt ^ SFT_ERROR_SALT);
      velocity[i] = sft_narrow_randomly(m, random & 0xFFFF);
    }
  }
}
