// What the probes of the tuned kernels compute, as one sum.
#include "reference.h"

static double as_float(uint32_t word) {
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

static double dot_pair(uint32_t a, uint32_t b) {
  return (double)sft_widen_bf16((uint16_t)a) * sft_widen_bf16((uint16_t)b) +
         (double)sft_widen_bf16((uint16_t)(a >> 16)) * sft_widen_bf16((uint16_t)(b >> 16));
}

static double dot_bytes(uint32_t a, uint32_t b) {
  double sum = 0;
  for (int byte = 0; byte < 4; ++byte) {
    sum += (double)((a >> (8 * byte)) & 0xFF) * (int8_t)(b >> (8 * byte));
  }
  return sum;
}

static double dot_floats(uint32_t a, uint32_t b) { return as_float(a) * as_float(b); }

static void probe(const sft_call *call, int64_t begin, int64_t end,
                  double (*dot)(uint32_t, uint32_t)) {
  const uint32_t *a = call->buffers[0], *b = call->buffers[1];
  for (int64_t item = begin; item < end; ++item) {
    for (int lane = 0; lane < 16; ++lane) {
      double sum = 0;
      for (int p = 0; p < 64; ++p) sum += dot(a[p], b[lane]);
      ((float *)call->buffers[2])[16 * item + lane] = (float)(48 * (double)call->sizes[0] * sum);
    }
  }
}

SFT_REFERENCE(probe_floats) { probe(call, begin, end, dot_floats); }
SFT_REFERENCE(probe_pairs) { probe(call, begin, end, dot_pair); }
SFT_REFERENCE(probe_bytes) { probe(call, begin, end, dot_bytes); }
