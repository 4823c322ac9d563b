// AdamW (Loshchilov & Hutter 2019), SGD with momentum, and clipping by the gradient's norm.
// hyper: {learning rate, 1 − β1^t, 1 − β2^t, clip scale, gradient norm, loss gradient scale}.
#include "reference.h"

static inline double element(const void *data, sft_type type, int64_t i) {
  return type == SFT_F32 ? ((const float *)data)[i] : sft_widen_bf16(((const uint16_t *)data)[i]);
}

static inline void store(void *data, sft_type type, int64_t i, double value, uint32_t random) {
  if (type == SFT_F32) {
    ((float *)data)[i] = (float)value;
  } else {
    ((uint16_t *)data)[i] = sft_narrow_randomly((float)value, random & 0xFFFF);
  }
}

static inline uint32_t salt_of(const sft_call *call) {
  return sft_salt(call->sizes[0], call->buffers[4]);
}

// One element: takes its moments before the step, gives them after it. The parameter is stepped,
// or, where its type is int8, the direction of its step stored.
static inline void step_element(const sft_call *call, sft_type type, int64_t i, double *m,
                                double *v) {
  const float *gradient = call->buffers[1], *hyper = call->buffers[4];
  const double beta1 = call->scalars[0], beta2 = call->scalars[1], epsilon = call->scalars[2];
  const double rate = hyper[0], decay = call->scalars[3];
  double g = (double)hyper[3] * gradient[i];
  *m = beta1 * *m + (1 - beta1) * g;
  *v = beta2 * *v + (1 - beta2) * g * g;
  if (type == SFT_INT8) {
    ((float *)call->buffers[0])[i] = (float)(*m / hyper[1] / (sqrt(*v / hyper[2]) + epsilon));
    return;
  }
  double p = element(call->buffers[0], type, i);
  p = p - rate * decay * p - rate / hyper[1] * *m / (sqrt(*v / hyper[2]) + epsilon);
  uint32_t bits = sft_random_bits((uint32_t)i, salt_of(call));
  store(call->buffers[0], type, i, p, sft_middle_bits(bits));
}

static inline void adamw(const sft_call *call, int64_t begin, int64_t end, sft_type parameters,
                         sft_type moments) {
  for (int64_t i = begin; i < end; ++i) {
    double m = element(call->buffers[2], moments, i), v = element(call->buffers[3], moments, i);
    step_element(call, parameters, i, &m, &v);
    uint32_t bits = sft_random_bits((uint32_t)i, salt_of(call));
    store(call->buffers[2], moments, i, m, bits);
    store(call->buffers[3], moments, i, v, bits >> 16);
  }
}

// A byte as the float of few bits that it is.
static inline double short_float(int code, int bias) {
  return ldexp(1 + (code + 1) % 8 / 8.0, (code + 1) / 8 - bias);
}

// The largest byte whose value is at most `value`, or the one above it: that with the probability
// of how far `value` is on the way there. −1 is the step below byte 0.
static inline int narrowed(float value, int highest, int bias, uint32_t random) {
  int code = highest;
  while (code > -1 && short_float(code, bias) > value) --code;
  if (code == highest) return highest;
  double below = short_float(code, bias), above = short_float(code + 1, bias);
  double part = floor((value - below) / (above - below) * (1 << 20));
  code += part + (random & 0xFFFFF) >= 1 << 20;
  return code < 0 ? 0 : code;
}

// Four bits: a sign and one of eight magnitudes.
static inline double nibble_magnitude(int code) {
  return code ? ldexp(1 + (code + 1) % 2 / 2.0, (code + 1) / 2 - 4) : 0;
}

static inline int nibble_of(float value, uint32_t random) {
  const double magnitude = fabs((double)value);
  int code = 7;
  while (nibble_magnitude(code) > magnitude) --code;
  if (code < 7) {
    double below = nibble_magnitude(code), above = nibble_magnitude(code + 1);
    double part = floor((magnitude - below) / (above - below) * 0x1p22);
    code += part + (random & 0x3FFFFF) >= 0x1p22;
  }
  return code | (signbit(value) ? 8 : 0);
}

// The first moments of a block: bytes, or four bits of elements l and l + 128.
static inline double first_moment(const uint8_t *first, bool nibbles, int64_t l) {
  if (nibbles) {
    const int nibble = l < 128 ? first[l] & 15 : first[l - 128] >> 4;
    return nibble_magnitude(nibble & 7) * (nibble & 8 ? -1 : 1);
  }
  const int code = first[l] & 127;
  return (code ? short_float(code, 16) : 0) * (first[l] & 128 ? -1 : 1);
}

static inline void store_first(uint8_t *first, bool nibbles, int64_t l, float value,
                               uint32_t random) {
  if (!nibbles) {
    first[l] = (uint8_t)(narrowed(fabsf(value), 127, 16, random) | (signbit(value) ? 128 : 0));
  } else if (l < 128) {
    first[l] = (uint8_t)nibble_of(value, random);
  } else {
    first[l - 128] |= (uint8_t)(nibble_of(value, random) << 4);
  }
}

static inline void adamw_blocks(const sft_call *call, int64_t begin, int64_t end, sft_type type,
                                bool nibbles) {
  float *first_scales = call->buffers[5], *second_scales = call->buffers[6];
  for (int64_t block = begin; block < end; ++block) {
    const int64_t start = block * SFT_MOMENT_BLOCK;
    const int64_t count = sft_min(SFT_MOMENT_BLOCK, call->sizes[1] - start);
    uint8_t *first = (uint8_t *)call->buffers[2] + (nibbles ? start / 2 : start);
    uint8_t *second = (uint8_t *)call->buffers[3] + start;
    double m[SFT_MOMENT_BLOCK] = {0}, v[SFT_MOMENT_BLOCK] = {0}, highest_m = 0, highest_v = 0;
    for (int64_t l = 0; l < count; ++l) {
      m[l] = first_moment(first, nibbles, l) * first_scales[block];
      v[l] = short_float(second[l], 32) * second_scales[block];
      step_element(call, type, start + l, &m[l], &v[l]);
      highest_m = fmax(highest_m, fabs(m[l]));
      highest_v = fmax(highest_v, v[l]);
    }
    first_scales[block] = (float)highest_m;
    second_scales[block] = (float)highest_v;
    for (int64_t l = 0; l < (nibbles ? SFT_MOMENT_BLOCK : count); ++l) {
      const uint32_t bits = sft_random_bits((uint32_t)(start + l), salt_of(call));
      store_first(first, nibbles, l, (float)(highest_m > 1e-37 ? m[l] / highest_m : 0), bits);
      if (l >= count) continue;
      const float part = (float)(highest_v > 1e-37 ? v[l] / highest_v : 0);
      second[l] = (uint8_t)narrowed(part, 255, 32, bits >> 12);
    }
  }
}

SFT_REFERENCE(adamw_f32_f32) { adamw(call, begin, end, SFT_F32, SFT_F32); }
SFT_REFERENCE(adamw_f32_bf16) { adamw(call, begin, end, SFT_F32, SFT_BF16); }
SFT_REFERENCE(adamw_f32_int8) { adamw_blocks(call, begin, end, SFT_F32, false); }
SFT_REFERENCE(adamw_f32_int4) { adamw_blocks(call, begin, end, SFT_F32, true); }
SFT_REFERENCE(adamw_bf16_f32) { adamw(call, begin, end, SFT_BF16, SFT_F32); }
SFT_REFERENCE(adamw_bf16_bf16) { adamw(call, begin, end, SFT_BF16, SFT_BF16); }
SFT_REFERENCE(adamw_bf16_int8) { adamw_blocks(call, begin, end, SFT_BF16, false); }
SFT_REFERENCE(adamw_bf16_int4) { adamw_blocks(call, begin, end, SFT_BF16, true); }
SFT_REFERENCE(adamw_direction_f32) { adamw(call, begin, end, SFT_INT8, SFT_F32); }
SFT_REFERENCE(adamw_direction_bf16) { adamw(call, begin, end, SFT_INT8, SFT_BF16); }
SFT_REFERENCE(adamw_direction_int8) { adamw_blocks(call, begin, end, SFT_INT8, false); }
SFT_REFERENCE(adamw_direction_int4) { adamw_blocks(call, begin, end, SFT_INT8, true); }

SFT_REFERENCE(sgd) {
  float *parameter = call->buffers[0], *velocity = call->buffers[2];
  const float *gradient = call->buffers[1], *hyper = call->buffers[3];
  const double momentum = call->scalars[0], decay = call->scalars[1];
  for (int64_t i = begin; i < end; ++i) {
    double g = (double)hyper[3] * gradient[i] + decay * parameter[i];
    double m = momentum * velocity[i] + g;
    parameter[i] = (float)(parameter[i] - hyper[0] * m);
    velocity[i] = (float)m;
  }
}

SFT_REFERENCE(squared_norm) {
  const float *g = call->buffers[0];
  double *partial = call->buffers[1];
  const int64_t count = call->sizes[0], size = (count + 63) / 64;
  for (int64_t part = begin; part < end; ++part) {
    double sum = 0;
    for (int64_t i = part * size; i < sft_min((part + 1) * size, count); ++i) {
      sum += (double)g[i] * g[i];
    }
    partial[part] = sum;
  }
}

SFT_REFERENCE(gradient_scores) {
  const float *g = call->buffers[0], *record = call->buffers[2];
  uint32_t *signs = call->buffers[1];
  double *sums = call->buffers[3];
  const int64_t count = call->sizes[0], size = ((count + 63) / 64 + 31) / 32 * 32;
  for (int64_t part = begin; part < end; ++part) {
    double *sum = sums + 3 * part;
    for (int64_t i = part * size; i < sft_min((part + 1) * size, count); ++i) {
      uint32_t bit = (uint32_t)1 << (i % 32);
      sum[0] += fabs((double)g[i]);
      sum[1] += (double)g[i] * g[i];
      if (record[0] == 0) {
        sum[2] += signs[i / 32] & bit ? g[i] : -(double)g[i];
        continue;
      }
      if (i % 32 == 0) signs[i / 32] = 0;
      if (g[i] >= 0) signs[i / 32] |= bit;
    }
  }
}

SFT_REFERENCE(clip_scale) {
  const double *partial = call->buffers[0];
  float *hyper = call->buffers[1], limit = call->scalars[0];
  for (int64_t item = begin; item < end; ++item) {
    double sum = 0;
    for (int64_t i = 0; i < call->sizes[0]; ++i) sum += partial[i];
    double norm = sqrt(sum);
    hyper[4] = (float)norm;
    hyper[3] = limit > 0 && norm > limit ? (float)(limit / (norm + 1e-6)) : 1;
  }
}
