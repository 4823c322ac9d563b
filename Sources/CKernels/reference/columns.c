// Columns of a matrix by index: a dense block of them put in, or taken out.
#include "reference.h"

SFT_REFERENCE(scatter_columns) {
  const int32_t *ids = call->buffers[0];
  const float *s = call->buffers[1];
  float *y = call->buffers[2];
  const int64_t columns = call->sizes[0], lds = call->sizes[1], ldy = call->sizes[2];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < columns; ++j) y[i * ldy + ids[j]] = s[i * lds + j];
  }
}

SFT_REFERENCE(take_columns) {
  const int32_t *ids = call->buffers[0];
  float *y = call->buffers[1], *s = call->buffers[2];
  const int64_t columns = call->sizes[0], ldy = call->sizes[1], lds = call->sizes[2];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      s[i * lds + j] = y[i * ldy + ids[j]];
      y[i * ldy + ids[j]] = 0;
    }
  }
}

SFT_REFERENCE(take_columns_bf16) {
  const int32_t *ids = call->buffers[0];
  const int64_t columns = call->sizes[0], ldy = call->sizes[1], lds = call->sizes[2];
  for (int64_t i = begin; i < end; ++i) {
    uint16_t *y = (uint16_t *)call->buffers[1] + i * ldy;
    uint16_t *s = (uint16_t *)call->buffers[2] + i * lds;
    for (int64_t j = 0; j < columns; ++j) {
      s[j] = y[ids[j]];
      y[ids[j]] = 0;
    }
  }
}
