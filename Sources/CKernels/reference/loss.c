// Softmax and cross-entropy in one pass over a chunk of logits.
#include "reference.h"

static void softmax_cross_entropy(const sft_call *call, int64_t begin, int64_t end) {
  const int32_t *targets = call->buffers[1];
  float *loss = call->buffers[2];
  const float *scale = call->buffers[3];
  const int64_t vocabulary = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    float *logits = (float *)call->buffers[0] + i * vocabulary;
    bool scored = targets[i] >= 0 && targets[i] < vocabulary;
    double highest = -INFINITY, sum = 0;
    for (int64_t v = 0; v < vocabulary; ++v) highest = fmax(highest, logits[v]);
    for (int64_t v = 0; v < vocabulary; ++v) sum += exp(logits[v] - highest);
    double log_sum = highest + log(sum);
    loss[i] = scored ? (float)(log_sum - logits[targets[i]]) : 0;
    for (int64_t v = 0; call->sizes[1] && v < vocabulary; ++v) {
      double gradient = exp(logits[v] - log_sum) - (v == targets[i] ? 1 : 0);
      logits[v] = scored ? (float)(gradient * (scale ? *scale : 1)) : 0;
    }
  }
}

SFT_REFERENCE(softmax_cross_entropy) { softmax_cross_entropy(call, begin, end); }

SFT_REFERENCE(softmax_cross_entropy_bf16) {
  softmax_cross_entropy(call, begin, end);
  const int64_t vocabulary = call->sizes[0];
  for (int64_t i = begin; call->sizes[1] && i < end; ++i) {
    float *gradient = (float *)call->buffers[0] + i * vocabulary;
    for (int64_t v = 0; v < vocabulary; ++v) {
      uint16_t bits = sft_narrow_bf16(gradient[v]);
      memcpy((char *)gradient + 2 * v, &bits, sizeof bits);
    }
  }
}
