// AdamW (Loshchilov & Hutter 2019), SGD with momentum, and clipping by the gradient's norm.
// hyper: {learning rate, 1 − β1^t, 1 − β2^t, clip scale, gradient norm, loss gradient scale}.
#include "reference.h"

SFT_REFERENCE(adamw) {
  float *parameter = call->buffers[0], *first = call->buffers[2], *second = call->buffers[3];
  const float *gradient = call->buffers[1], *hyper = call->buffers[4];
  const double beta1 = call->scalars[0], beta2 = call->scalars[1], epsilon = call->scalars[2];
  const double rate = hyper[0], decay = call->scalars[3];
  for (int64_t i = begin; i < end; ++i) {
    double g = (double)hyper[3] * gradient[i];
    double m = beta1 * first[i] + (1 - beta1) * g;
    double v = beta2 * second[i] + (1 - beta2) * g * g;
    double p = parameter[i] - rate * decay * parameter[i];
    parameter[i] = (float)(p - rate / hyper[1] * m / (sqrt(v / hyper[2]) + epsilon));
    first[i] = (float)m;
    second[i] = (float)v;
  }
}

SFT_REFERENCE(adamw_bf16) {
  float *parameter = call->buffers[0];
  uint16_t *first = call->buffers[2], *second = call->buffers[3];
  const float *gradient = call->buffers[1], *hyper = call->buffers[4];
  const double beta1 = call->scalars[0], beta2 = call->scalars[1], epsilon = call->scalars[2];
  const double rate = hyper[0], decay = call->scalars[3];
  const uint32_t salt = (uint32_t)call->sizes[0] * 0x9E3779B1u + (uint32_t)hyper[6] * 0x85EBCA77u;
  for (int64_t i = begin; i < end; ++i) {
    double g = (double)hyper[3] * gradient[i];
    double m = beta1 * sft_widen_bf16(first[i]) + (1 - beta1) * g;
    double v = beta2 * sft_widen_bf16(second[i]) + (1 - beta2) * g * g;
    double p = parameter[i] - rate * decay * parameter[i];
    parameter[i] = (float)(p - rate / hyper[1] * m / (sqrt(v / hyper[2]) + epsilon));
    uint32_t bits = sft_random_bits((uint32_t)i, salt);
    first[i] = sft_narrow_randomly((float)m, bits & 0xFFFF);
    second[i] = sft_narrow_randomly((float)v, bits >> 16);
  }
}

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
