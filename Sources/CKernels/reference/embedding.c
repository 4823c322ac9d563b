// Rows of the embedding table by token id, and their gradient.
#include "reference.h"

// The table's row for token i, or −1 if its id lies outside.
static int64_t table_row(const sft_call *call, int64_t i) {
  int64_t row = (int64_t)((const int32_t *)call->buffers[0])[i] - call->sizes[1];
  return row >= 0 && row < call->sizes[2] ? row : -1;
}

SFT_REFERENCE(embedding_f32) {
  const float *table = call->buffers[1];
  float *y = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    int64_t row = table_row(call, i);
    if (row < 0) continue;
    for (int64_t d = 0; d < width; ++d) y[i * width + d] = table[row * width + d];
  }
}

SFT_REFERENCE(embedding_bf16) {
  const uint16_t *table = call->buffers[1];
  float *y = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    int64_t row = table_row(call, i);
    if (row < 0) continue;
    for (int64_t d = 0; d < width; ++d) y[i * width + d] = sft_widen_bf16(table[row * width + d]);
  }
}

SFT_REFERENCE(embedding_int8) {
  const int8_t *table = call->buffers[1];
  const float *scales = call->buffers[2];
  float *y = call->buffers[3];
  const int64_t width = call->sizes[0];
  for (int64_t i = begin; i < end; ++i) {
    int64_t row = table_row(call, i);
    if (row < 0) continue;
    for (int64_t d = 0; d < width; ++d) y[i * width + d] = scales[row] * table[row * width + d];
  }
}

SFT_REFERENCE(embedding_gradient) {
  const float *dy = call->buffers[1];
  float *dtable = call->buffers[2];
  const int64_t width = call->sizes[0], rows = call->sizes[2], tokens = call->sizes[3];
  for (int64_t d = begin; d < end; ++d) {
    for (int64_t row = 0; row < rows; ++row) {
      if (!call->sizes[4]) dtable[row * width + d] = 0;
    }
    for (int64_t i = 0; i < tokens; ++i) {
      int64_t row = table_row(call, i);
      if (row >= 0) dtable[row * width + d] += dy[i * width + d];
    }
  }
}
