// Products with a weight matrix, the weight's gradient, and biases.
#include "reference.h"

void sft_sgemm_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                         float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                         float beta, float *c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) {
        double left = transpose_a ? a[l * lda + i] : a[i * lda + l];
        double right = transpose_b ? b[j * ldb + l] : b[l * ldb + j];
        sum += left * right;
      }
      double old = beta == 0 ? 0 : (double)beta * c[i * ldc + j];
      c[i * ldc + j] = (float)(alpha * sum + old);
    }
  }
}

// W[row, column] as a float; W is b1 with its row scales in b2, its row stride s4.
typedef float (*weight_function)(const sft_call *call, int64_t row, int64_t column);

static inline float weight_f32(const sft_call *call, int64_t row, int64_t column) {
  return ((const float *)call->buffers[1])[row * call->sizes[4] + column];
}

static inline float weight_bf16(const sft_call *call, int64_t row, int64_t column) {
  return sft_widen_bf16(((const uint16_t *)call->buffers[1])[row * call->sizes[4] + column]);
}

static inline float weight_int8(const sft_call *call, int64_t row, int64_t column) {
  float value = ((const int8_t *)call->buffers[1])[row * call->sizes[4] + column];
  return ((const float *)call->buffers[2])[row] * value;
}

static inline void linear(const sft_call *call, int64_t begin, int64_t end,
                          weight_function weight) {
  const float *x = call->buffers[0];
  float *y = call->buffers[3];
  const int64_t *s = call->sizes, k = s[2], ldx = s[3], ldy = s[5];
  sft_block block = sft_split(s[7], s[0], s[1], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t j = block.column_begin; j < block.column_end; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += (double)x[i * ldx + l] * weight(call, j, l);
      double old = s[6] ? y[i * ldy + j] : 0;
      y[i * ldy + j] = (float)(call->scalars[0] * sum + old);
    }
  }
}

SFT_REFERENCE(linear_f32) { linear(call, begin, end, weight_f32); }
SFT_REFERENCE(linear_bf16) { linear(call, begin, end, weight_bf16); }
SFT_REFERENCE(linear_int8) { linear(call, begin, end, weight_int8); }
SFT_REFERENCE(tiled_linear_f32) { linear(call, begin, end, weight_f32); }
SFT_REFERENCE(tiled_linear_bf16) { linear(call, begin, end, weight_bf16); }
SFT_REFERENCE(tiled_linear_int8) { linear(call, begin, end, weight_int8); }

static inline void input_gradient(const sft_call *call, int64_t begin, int64_t end,
                                  weight_function weight) {
  const float *dy = call->buffers[0];
  float *dx = call->buffers[3];
  const int64_t *s = call->sizes, n = s[1], lddy = s[3], lddx = s[5];
  sft_block block = sft_split(s[7], s[0], s[2], begin, end);
  for (int64_t i = block.row_begin; i < block.row_end; ++i) {
    for (int64_t l = block.column_begin; l < block.column_end; ++l) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += (double)dy[i * lddy + j] * weight(call, j, l);
      double old = s[6] ? dx[i * lddx + l] : 0;
      dx[i * lddx + l] = (float)(call->scalars[0] * sum + old);
    }
  }
}

SFT_REFERENCE(linear_input_gradient_f32) { input_gradient(call, begin, end, weight_f32); }
SFT_REFERENCE(linear_input_gradient_bf16) { input_gradient(call, begin, end, weight_bf16); }
SFT_REFERENCE(linear_input_gradient_int8) { input_gradient(call, begin, end, weight_int8); }
SFT_REFERENCE(tiled_linear_input_gradient_f32) { input_gradient(call, begin, end, weight_f32); }
SFT_REFERENCE(tiled_linear_input_gradient_bf16) { input_gradient(call, begin, end, weight_bf16); }
SFT_REFERENCE(tiled_linear_input_gradient_int8) { input_gradient(call, begin, end, weight_int8); }

static inline void weight_gradient(const sft_call *call, int64_t begin, int64_t end) {
  const float *dy = call->buffers[0], *x = call->buffers[1];
  float *dw = call->buffers[2];
  const int64_t *s = call->sizes, m = s[0], lddy = s[3], ldx = s[4], lddw = s[5];
  sft_block block = sft_split(s[7], s[1], s[2], begin, end);
  for (int64_t j = block.row_begin; j < block.row_end; ++j) {
    for (int64_t l = block.column_begin; l < block.column_end; ++l) {
      double sum = 0;
      for (int64_t i = 0; i < m; ++i) sum += (double)dy[i * lddy + j] * x[i * ldx + l];
      double old = s[6] ? dw[j * lddw + l] : 0;
      dw[j * lddw + l] = (float)(call->scalars[0] * sum + old);
    }
  }
}

SFT_REFERENCE(linear_weight_gradient) { weight_gradient(call, begin, end); }
SFT_REFERENCE(tiled_linear_weight_gradient) { weight_gradient(call, begin, end); }

SFT_REFERENCE(bias_add) {
  float *y = call->buffers[0];
  const float *bias = call->buffers[1];
  const int64_t n = call->sizes[0], ldy = call->sizes[1];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < n; ++j) y[i * ldy + j] += bias[j];
  }
}

SFT_REFERENCE(column_sum) {
  const float *dy = call->buffers[0];
  float *db = call->buffers[1];
  const int64_t m = call->sizes[0], lddy = call->sizes[1];
  for (int64_t j = begin; j < end; ++j) {
    double sum = call->sizes[2] ? db[j] : 0;
    for (int64_t i = 0; i < m; ++i) sum += dy[i * lddy + j];
    db[j] = (float)sum;
  }
}
