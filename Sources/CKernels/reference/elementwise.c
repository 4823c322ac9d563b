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
