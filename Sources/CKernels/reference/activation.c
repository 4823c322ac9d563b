// SwiGLU (Shazeer 2020): silu(g)·u and its gradient.
#include "reference.h"

SFT_REFERENCE(swiglu) {
  const float *gate = call->buffers[0], *up = call->buffers[1];
  float *out = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) {
    double g = gate[i];
    out[i] = (float)(g / (1 + exp(-g)) * up[i]);
  }
}

SFT_REFERENCE(swiglu_gradient) {
  const float *gate = call->buffers[0], *up = call->buffers[1], *out_gradient = call->buffers[2];
  float *gate_gradient = call->buffers[3], *up_gradient = call->buffers[4];
  for (int64_t i = begin; i < end; ++i) {
    double g = gate[i], u = up[i], ds = out_gradient[i];
    double sigmoid = 1 / (1 + exp(-g));
    if (gate_gradient) gate_gradient[i] = (float)(ds * u * sigmoid * (1 + g * (1 - sigmoid)));
    if (up_gradient) up_gradient[i] = (float)(ds * g * sigmoid);
  }
}

SFT_REFERENCE(swiglu_bf16) {
  const uint16_t *gate = call->buffers[0], *up = call->buffers[1];
  uint16_t *out = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) {
    double g = sft_widen_bf16(gate[i]);
    out[i] = sft_narrow_bf16((float)(g / (1 + exp(-g)) * sft_widen_bf16(up[i])));
  }
}

SFT_REFERENCE(swiglu_gradient_bf16) {
  const uint16_t *gate = call->buffers[0], *up = call->buffers[1], *given = call->buffers[2];
  uint16_t *gate_gradient = call->buffers[3], *up_gradient = call->buffers[4];
  for (int64_t i = begin; i < end; ++i) {
    double g = sft_widen_bf16(gate[i]), u = sft_widen_bf16(up[i]), ds = sft_widen_bf16(given[i]);
    double sigmoid = 1 / (1 + exp(-g));
    if (gate_gradient) {
      gate_gradient[i] = sft_narrow_bf16((float)(ds * u * sigmoid * (1 + g * (1 - sigmoid))));
    }
    if (up_gradient) up_gradient[i] = sft_narrow_bf16((float)(ds * g * sigmoid));
  }
}
