// Gated activations (Shazeer 2020), silu(g)·u and gelu(g)·u, and their gradients.
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

static const double gelu_rate = 0.7978845608028654;  // √(2/π)
static const double gelu_cubic = 0.044715;

static double gelu_tanh(double g) { return tanh(gelu_rate * (g + gelu_cubic * g * g * g)); }

// gelu(g) = g/2·(1 + tanh(√(2/π)·(g + 0.044715·g³)))
static double gelu(double g) { return g / 2 * (1 + gelu_tanh(g)); }

static double gelu_slope(double g) {
  double t = gelu_tanh(g);
  double inner_slope = gelu_rate * (1 + 3 * gelu_cubic * g * g);
  return (1 + t) / 2 + g / 2 * (1 - t * t) * inner_slope;
}

SFT_REFERENCE(geglu) {
  const float *gate = call->buffers[0], *up = call->buffers[1];
  float *out = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) out[i] = (float)(gelu(gate[i]) * up[i]);
}

SFT_REFERENCE(geglu_gradient) {
  const float *gate = call->buffers[0], *up = call->buffers[1], *out_gradient = call->buffers[2];
  float *gate_gradient = call->buffers[3], *up_gradient = call->buffers[4];
  for (int64_t i = begin; i < end; ++i) {
    double g = gate[i], u = up[i], ds = out_gradient[i];
    if (gate_gradient) gate_gradient[i] = (float)(ds * u * gelu_slope(g));
    if (up_gradient) up_gradient[i] = (float)(ds * gelu(g));
  }
}

SFT_REFERENCE(geglu_bf16) {
  const uint16_t *gate = call->buffers[0], *up = call->buffers[1];
  uint16_t *out = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) {
    out[i] = sft_narrow_bf16((float)(gelu(sft_widen_bf16(gate[i])) * sft_widen_bf16(up[i])));
  }
}

SFT_REFERENCE(geglu_gradient_bf16) {
  const uint16_t *gate = call->buffers[0], *up = call->buffers[1], *given = call->buffers[2];
  uint16_t *gate_gradient = call->buffers[3], *up_gradient = call->buffers[4];
  for (int64_t i = begin; i < end; ++i) {
    double g = sft_widen_bf16(gate[i]), u = sft_widen_bf16(up[i]), ds = sft_widen_bf16(given[i]);
    if (gate_gradient) gate_gradient[i] = sft_narrow_bf16((float)(ds * u * gelu_slope(g)));
    if (up_gradient) up_gradient[i] = sft_narrow_bf16((float)(ds * gelu(g)));
  }
}
