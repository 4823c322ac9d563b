// Root-mean-square normalisation (Zhang & Sennrich 2019, eq. 4) and its gradients.
#include "reference.h"

SFT_REFERENCE(rmsnorm) {
  const float *x = call->buffers[0], *gain = call->buffers[1];
  float *y = call->buffers[2], *inverse_rms = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    double sum = 0;
    for (int64_t d = 0; d < width; ++d) sum += (double)x[i * width + d] * x[i * width + d];
    float r = (float)(1 / sqrt(sum / (double)width + call->scalars[0]));
    for (int64_t d = 0; d < width; ++d) y[i * width + d] = gain[d] * x[i * width + d] * r;
    if (inverse_rms) inverse_rms[i] = r;
  }
}

SFT_REFERENCE(rmsnorm_input_gradient) {
  const float *dy = call->buffers[0], *x = call->buffers[1], *gain = call->buffers[2];
  const float *inverse_rms = call->buffers[3];
  float *dx = call->buffers[4];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    double r = inverse_rms[i], mean = 0;
    for (int64_t d = 0; d < width; ++d) {
      mean += (double)gain[d] * dy[i * width + d] * x[i * width + d] / (double)width;
    }
    for (int64_t d = 0; d < width; ++d) {
      double old = call->sizes[1] ? dx[i * width + d] : 0;
      double direct = r * gain[d] * dy[i * width + d];
      dx[i * width + d] = (float)(old + direct - x[i * width + d] * r * r * r * mean);
    }
  }
}

SFT_REFERENCE(rmsnorm_gain_gradient) {
  const float *dy = call->buffers[0], *x = call->buffers[1], *inverse_rms = call->buffers[2];
  float *dgain = call->buffers[3];
  const int64_t width = call->sizes[0], rows = call->sizes[1];
  for (int64_t d = begin; d < end; ++d) {
    double sum = call->sizes[2] ? dgain[d] : 0;
    for (int64_t i = 0; i < rows; ++i) {
      sum += (double)dy[i * width + d] * x[i * width + d] * inverse_rms[i];
    }
    dgain[d] = (float)sum;
  }
}

SFT_REFERENCE(rmsnorm_bf16) {
  const float *x = call->buffers[0], *gain = call->buffers[1];
  uint16_t *y = call->buffers[2];
  float *inverse_rms = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    double sum = 0;
    for (int64_t d = 0; d < width; ++d) sum += (double)x[i * width + d] * x[i * width + d];
    float r = (float)(1 / sqrt(sum / (double)width + call->scalars[0]));
    for (int64_t d = 0; d < width; ++d) {
      y[i * width + d] = sft_narrow_bf16(gain[d] * x[i * width + d] * r);
    }
    if (inverse_rms) inverse_rms[i] = r;
  }
}

SFT_REFERENCE(head_norm_bf16) {
  const uint16_t *x = call->buffers[0];
  const float *gain = call->buffers[1];
  uint16_t *y = call->buffers[2];
  float *inverse_rms = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    double sum = 0;
    for (int64_t d = 0; d < width; ++d) {
      double value = sft_widen_bf16(x[i * width + d]);
      sum += value * value;
    }
    float r = (float)(1 / sqrt(sum / (double)width + call->scalars[0]));
    for (int64_t d = 0; d < width; ++d) {
      y[i * width + d] = sft_narrow_bf16(gain[d] * sft_widen_bf16(x[i * width + d]) * r);
    }
    if (inverse_rms) inverse_rms[i] = r;
  }
}

SFT_REFERENCE(head_norm_input_gradient_bf16) {
  const uint16_t *dy = call->buffers[0], *x = call->buffers[1];
  const float *gain = call->buffers[2], *inverse_rms = call->buffers[3];
  uint16_t *dx = call->buffers[4];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    double r = inverse_rms[i], mean = 0;
    for (int64_t d = 0; d < width; ++d) {
      double given = sft_widen_bf16(dy[i * width + d]), value = sft_widen_bf16(x[i * width + d]);
      mean += gain[d] * given * value / (double)width;
    }
    for (int64_t d = 0; d < width; ++d) {
      double old = call->sizes[1] ? sft_widen_bf16(dx[i * width + d]) : 0;
      double direct = r * gain[d] * sft_widen_bf16(dy[i * width + d]);
      double through_r = sft_widen_bf16(x[i * width + d]) * r * r * r * mean;
      dx[i * width + d] = sft_narrow_bf16((float)(old + direct - through_r));
    }
  }
}

SFT_REFERENCE(head_norm_gain_gradient_bf16) {
  const uint16_t *dy = call->buffers[0], *x = call->buffers[1];
  const float *inverse_rms = call->buffers[2];
  float *dgain = call->buffers[3];
  const int64_t width = call->sizes[0], rows = call->sizes[1];
  for (int64_t d = begin; d < end; ++d) {
    double sum = call->sizes[2] ? dgain[d] : 0;
    for (int64_t i = 0; i < rows; ++i) {
      double given = sft_widen_bf16(dy[i * width + d]), value = sft_widen_bf16(x[i * width + d]);
      sum += given * value * inverse_rms[i];
    }
    dgain[d] = (float)sum;
  }
}
