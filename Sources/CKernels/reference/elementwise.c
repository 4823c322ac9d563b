// Sums, copies, constants.
#include "reference.h"

SFT_REFERENCE(add) {
  const float *a = call->buffers[0], *b = call->buffers[1];
  float *c = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) c[i] = a[i] + b[i];
}

SFT_REFERENCE(copy) {
  const float *a = call->buffers[0];
  float *c = call->buffers[1];
  for (int64_t i = begin; i < end; ++i) c[i] = a[i];
}

SFT_REFERENCE(fill) {
  float *c = call->buffers[0];
  for (int64_t i = begin; i < end; ++i) c[i] = call->scalars[0];
}

SFT_REFERENCE(scale) {
  const float *a = call->buffers[0];
  float *c = call->buffers[1];
  for (int64_t i = begin; i < end; ++i) c[i] = call->scalars[0] * a[i];
}

SFT_REFERENCE(to_bf16) {
  const float *a = call->buffers[0];
  uint16_t *c = call->buffers[1];
  for (int64_t i = begin; i < end; ++i) c[i] = sft_narrow_bf16(a[i]);
}

SFT_REFERENCE(to_f32) {
  const uint16_t *a = call->buffers[0];
  float *c = call->buffers[1];
  for (int64_t i = begin; i < end; ++i) c[i] = sft_widen_bf16(a[i]);
}

SFT_REFERENCE(add_bf16) {
  const uint16_t *a = call->buffers[0], *b = call->buffers[1];
  uint16_t *c = call->buffers[2];
  for (int64_t i = begin; i < end; ++i) {
    c[i] = sft_narrow_bf16(sft_widen_bf16(a[i]) + sft_widen_bf16(b[i]));
  }
}
