// Products of bf16 activations, and of quantised ones.
#include "reference.h"

static inline float weight(const sft_call *call, sft_type type, int64_t row, int64_t column) {
  int64_t index = row * call->sizes[4] + column;
  if (type == SFT_F32) {
    return sft_widen_bf16(sft_narrow_bf16(((const float *)call->buffers[1])[index]));
  }
  if (type == SFT_BF16) return sft_widen_bf16(((const uint16_t *)call->buffers[1])[index]);
  return ((const int8_t *)call->buffers[1])[index];
}

// y[row, column] = α · sum (+ y), y being b[buffer] in bf16 or f32.
static inline void store(const sft_call *call, int64_t buffer, int64_t row, int64_t column,
                         double sum) {
  const int64_t index = row * call->sizes[5] + column;
  if (call->sizes[8]) {
    uint16_t *y = (uint16_t *)call->buffers[buffer] + index;
    *y = sft_narrow_bf16(
        (float)(call->scalars[0] * sum + (call->sizes[6] ? sft_widen_bf16(*y) : 0)));
  } else {
    float *y = (float *)call->buffers[buffer] + index;
    *y = (float)(call->scalars[0] * sum + (call->sizes[6] ? *y : 0));
  }
}

static inline void linear(const sft_call *call, int64_t begin, int64_t end, sft_type type) {
  const uint16_t *x = call->buffers[0];
  const float *scales = call->buffers[2];
  const int64_t *s = call->sizes;
  sft_block block = sft_split(s[7], s[0], s[1], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t j = block.column_begin; j < block.column_end; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < s[2]; ++l) {
        sum += (double)sft_widen_bf16(x[i * s[3] + l]) * weight(call, type, j, l);
      }
      store(call, 3, i, j, type == SFT_INT8 ? scales[j] * sum : sum);
    }
  }
}

SFT_REFERENCE(bf16_linear_f32) { linear(call, begin, end, SFT_F32); }
SFT_REFERENCE(bf16_linear_bf16) { linear(call, begin, end, SFT_BF16); }
SFT_REFERENCE(bf16_linear_int8) { linear(call, begin, end, SFT_INT8); }

static inline void input_gradient(const sft_call *call, int64_t begin, int64_t end, sft_type type) {
  const uint16_t *dy = call->buffers[0];
  const float *scales = call->buffers[2];
  const int64_t *s = call->sizes;
  sft_block block = sft_split(s[7], s[0], s[2], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t l = block.column_begin; l < block.column_end; ++l) {
      double sum = 0;
      for (int64_t j = 0; j < s[1]; ++j) {
        float w = weight(call, type, j, l);
        if (type == SFT_INT8) w = sft_widen_bf16(sft_narrow_bf16(scales[j] * w));
        sum += (double)sft_widen_bf16(dy[i * s[3] + j]) * w;
      }
      store(call, 3, i, l, sum);
    }
  }
}

SFT_REFERENCE(bf16_linear_input_gradient_f32) { input_gradient(call, begin, end, SFT_F32); }
SFT_REFERENCE(bf16_linear_input_gradient_bf16) { input_gradient(call, begin, end, SFT_BF16); }
SFT_REFERENCE(bf16_linear_input_gradient_int8) { input_gradient(call, begin, end, SFT_INT8); }

SFT_REFERENCE(bf16_linear_weight_gradient) {
  const uint16_t *dy = call->buffers[0], *x = call->buffers[1];
  const int64_t *s = call->sizes;
  sft_block block = sft_split(s[7], s[1], s[2], begin, end);
  for (int64_t j = block.row_begin; j < block.row_end; ++j) {
    for (int64_t l = block.column_begin; l < block.column_end; ++l) {
      double sum = 0;
      for (int64_t i = 0; i < s[0]; ++i) {
        sum += (double)sft_widen_bf16(dy[i * s[3] + j]) * sft_widen_bf16(x[i * s[4] + l]);
      }
      store(call, 2, j, l, sum);
    }
  }
}

SFT_REFERENCE(bias_add_bf16) {
  uint16_t *y = call->buffers[0];
  const float *bias = call->buffers[1];
  const int64_t n = call->sizes[0], ldy = call->sizes[1];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      y[i * ldy + j] = sft_narrow_bf16(sft_widen_bf16(y[i * ldy + j]) + bias[j]);
    }
  }
}

SFT_REFERENCE(column_sum_bf16) {
  const uint16_t *dy = call->buffers[0];
  float *db = call->buffers[1];
  const int64_t m = call->sizes[0], lddy = call->sizes[1];
  for (int64_t j = begin; j < end; ++j) {
    double sum = call->sizes[2] ? db[j] : 0;
    for (int64_t i = 0; i < m; ++i) sum += sft_widen_bf16(dy[i * lddy + j]);
    db[j] = (float)sum;
  }
}

SFT_REFERENCE(quantise_rows) {
  const uint16_t *x = call->buffers[0];
  uint8_t *q = call->buffers[1];
  float *scales = call->buffers[2];
  const float *factors = call->buffers[3];
  const int64_t width = call->sizes[0], ldx = call->sizes[1];
  for (int64_t i = begin; i < end; ++i) {
    float highest = 0;
    for (int64_t l = 0; l < width; ++l) {
      float magnitude = fabsf(sft_widen_bf16(x[i * ldx + l]) * (factors ? factors[l] : 1));
      if (magnitude > highest || isnan(magnitude)) highest = magnitude;
    }
    const float inverse = highest > 0 ? 127 / highest : 0;
    scales[i] = highest / 127;
    for (int64_t l = 0; l < width; ++l) {
      float factor = factors ? factors[l] : 1;
      float scaled = rintf(sft_widen_bf16(x[i * ldx + l]) * factor * inverse);
      q[i * width + l] = isnan(scaled) ? 128 : (uint8_t)(scaled + 128);
    }
  }
}

static inline void row_scales(const sft_call *call, int64_t begin, int64_t end, bool is_bf16) {
  float *scales = call->buffers[1];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    float highest = 0;
    for (int64_t l = i * width; l < (i + 1) * width; ++l) {
      float value = is_bf16 ? sft_widen_bf16(((const uint16_t *)call->buffers[0])[l])
                            : ((const float *)call->buffers[0])[l];
      if (fabsf(value) > highest || isnan(value)) highest = fabsf(value);
    }
    scales[i] = highest / 127;
  }
}

SFT_REFERENCE(row_scales_f32) { row_scales(call, begin, end, false); }
SFT_REFERENCE(row_scales_bf16) { row_scales(call, begin, end, true); }

// A weight as the signed byte that products of bytes multiply.
static inline int64_t weight_byte(const sft_call *call, sft_type type, int64_t row,
                                  int64_t column) {
  const float *scales = call->buffers[2];
  const int64_t index = row * call->sizes[4] + column;
  if (type == SFT_INT8) return ((const int8_t *)call->buffers[1])[index];
  const float value = type == SFT_F32 ? ((const float *)call->buffers[1])[index]
                                      : sft_widen_bf16(((const uint16_t *)call->buffers[1])[index]);
  const float factor = scales[row] > 0 ? 1 / scales[row] : 0;
  return (int64_t)rintf(value * factor);
}

static inline void quantised(const sft_call *call, int64_t begin, int64_t end, sft_type type) {
  const uint8_t *q = call->buffers[0];
  const float *column_scales = call->buffers[2], *row_scales = call->buffers[4];
  const int64_t *s = call->sizes;
  sft_block block = sft_split(s[7], s[0], s[1], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t j = block.column_begin; j < block.column_end; ++j) {
      int64_t sum = 0;
      for (int64_t l = 0; l < s[2]; ++l) {
        sum += ((int64_t)q[i * s[3] + l] - 128) * weight_byte(call, type, j, l);
      }
      store(call, 3, i, j, (double)row_scales[i] * column_scales[j] * (double)sum);
    }
  }
}

SFT_REFERENCE(quantised_linear_f32) { quantised(call, begin, end, SFT_F32); }
SFT_REFERENCE(quantised_linear_bf16) { quantised(call, begin, end, SFT_BF16); }
SFT_REFERENCE(quantised_linear_int8) { quantised(call, begin, end, SFT_INT8); }

static inline void quantised_gradient(const sft_call *call, int64_t begin, int64_t end,
                                      sft_type type) {
  const uint8_t *q = call->buffers[0];
  const float *row_scales = call->buffers[4];
  const int64_t *s = call->sizes;
  sft_block block = sft_split(s[7], s[0], s[2], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t l = block.column_begin; l < block.column_end; ++l) {
      int64_t sum = 0;
      for (int64_t j = 0; j < s[1]; ++j) {
        sum += ((int64_t)q[i * s[3] + j] - 128) * weight_byte(call, type, j, l);
      }
      store(call, 3, i, l, (double)row_scales[i] * (double)sum);
    }
  }
}

SFT_REFERENCE(quantised_linear_input_gradient_f32) {
  quantised_gradient(call, begin, end, SFT_F32);
}
SFT_REFERENCE(quantised_linear_input_gradient_bf16) {
  quantised_gradient(call, begin, end, SFT_BF16);
}
SFT_REFERENCE(quantised_linear_input_gradient_int8) {
  quantised_gradient(call, begin, end, SFT_INT8);
}
