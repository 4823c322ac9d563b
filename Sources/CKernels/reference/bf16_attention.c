// Attention of bf16 queries, keys and values, and its gradients.
#include "reference.h"

static double dot(const uint16_t *a, const uint16_t *b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += (double)sft_widen_bf16(a[i]) * sft_widen_bf16(b[i]);
  return sum;
}

// One query head of one window, its tensors at the window's first row and the head's first column.
typedef struct head_view {
  const uint16_t *q, *k, *v, *o, *out_gradient;
  const float *lse;
  const int32_t *starts;
  int64_t tokens, width, ldq, ldk, ldv, ldo, window;
  float scale;
} head_view;

static head_view view_head(const sft_call *call, int64_t window, int64_t head) {
  const int64_t *s = call->sizes, kv_column = head / (s[1] / s[2]) * s[3], column = head * s[3];
  const int64_t row = window * s[0];
  // Nothing may be added to the address of a buffer that a call does not have.
  const uint16_t *out_gradient = call->buffers[6];
  const float *lse = call->buffers[5];
  return (head_view){
      .q = (const uint16_t *)call->buffers[0] + row * s[4] + column,
      .k = (const uint16_t *)call->buffers[1] + row * s[5] + kv_column,
      .v = (const uint16_t *)call->buffers[2] + row * s[6] + kv_column,
      .o = (const uint16_t *)call->buffers[4] + row * s[7] + column,
      .out_gradient = out_gradient ? out_gradient + row * s[7] + column : NULL,
      .lse = lse ? lse + (window * s[1] + head) * s[0] : NULL,
      .starts = (const int32_t *)call->buffers[3] + row,
      .tokens = s[0],
      .width = s[3],
      .ldq = s[4],
      .ldk = s[5],
      .ldv = s[6],
      .ldo = s[7],
      .window = s[9],
      .scale = call->scalars[0],
  };
}

// out[d] = Σ_j weights[j] · values[j, d], rounded once.
static void weighted_sum(const float *weights, const uint16_t *values, int64_t stride,
                         int64_t count, int64_t width, uint16_t *out) {
  for (int64_t d = 0; d < width; ++d) {
    double sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      sum += (double)weights[j] * sft_widen_bf16(values[j * stride + d]);
    }
    out[d] = sft_narrow_bf16((float)sum);
  }
}

SFT_REFERENCE(attention_bf16) {
  const int64_t *s = call->sizes, tokens = s[0], heads = s[1], width = s[3];
  float *p = scratch, *lse = call->buffers[5];
  for (int64_t item = begin; item < end; ++item) {
    head_view h = view_head(call, item / heads, item % heads);
    uint16_t *o = (uint16_t *)call->buffers[4] + (h.o - (const uint16_t *)call->buffers[4]);
    for (int64_t t = 0; t < tokens; ++t) {
      int64_t start = sft_first_key(h.starts, t, h.window), count = t + 1 - start;
      double highest = -INFINITY, sum = 0;
      for (int64_t j = 0; j < count; ++j) {
        p[j] = (float)(h.scale * dot(h.q + t * h.ldq, h.k + (start + j) * h.ldk, width));
        highest = fmax(highest, p[j]);
      }
      for (int64_t j = 0; j < count; ++j) sum += exp(p[j] - highest);
      double log_sum = highest + log(sum);
      for (int64_t j = 0; j < count; ++j) p[j] = (float)exp(p[j] - log_sum);
      weighted_sum(p, h.v + start * h.ldv, h.ldv, count, width, o + t * h.ldo);
      if (lse) lse[item * tokens + t] = (float)log_sum;
    }
  }
}

// The probability that token t gives to token j, and the gradient of their unscaled score.
static void score_gradient(const head_view *h, int64_t t, int64_t j, double *p, double *ds) {
  *p = *ds = 0;
  if (j > t || j < sft_first_key(h->starts, t, h->window)) return;
  const uint16_t *out_gradient = h->out_gradient + t * h->ldo;
  double score = h->scale * dot(h->q + t * h->ldq, h->k + j * h->ldk, h->width);
  double dp = dot(out_gradient, h->v + j * h->ldv, h->width);
  double mean = dot(out_gradient, h->o + t * h->ldo, h->width);
  *p = exp(score - h->lse[t]);
  *ds = *p * (dp - mean) * h->scale;
}

// The gradients of key and value j of one key/value head, summed over its query heads.
static void key_gradients(const sft_call *call, int64_t window, int64_t kv_head, int64_t j,
                          uint16_t *dk, uint16_t *dv, double *sums) {
  const int64_t *s = call->sizes, group = s[1] / s[2], width = s[3];
  for (int64_t d = 0; d < 2 * width; ++d) sums[d] = 0;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    head_view h = view_head(call, window, head);
    for (int64_t t = 0; t < s[0]; ++t) {
      double p, ds;
      score_gradient(&h, t, j, &p, &ds);
      for (int64_t d = 0; d < width; ++d) {
        sums[d] += ds * sft_widen_bf16(h.q[t * h.ldq + d]);
        sums[width + d] += p * sft_widen_bf16(h.out_gradient[t * h.ldo + d]);
      }
    }
  }
  for (int64_t d = 0; dk && d < width; ++d) dk[d] = sft_narrow_bf16((float)sums[d]);
  for (int64_t d = 0; dv && d < width; ++d) dv[d] = sft_narrow_bf16((float)sums[width + d]);
}

SFT_REFERENCE(attention_gradient_bf16) {
  const int64_t *s = call->sizes, tokens = s[0], group = s[1] / s[2], width = s[3];
  uint16_t *dq = call->buffers[7], *dk = call->buffers[8], *dv = call->buffers[9];
  double *sums = scratch;
  float *weights = (float *)(sums + 2 * width);
  for (int64_t item = begin; item < end; ++item) {
    int64_t window = item / s[2], kv_head = item % s[2], row = window * tokens;
    for (int64_t head = kv_head * group; dq && head < (kv_head + 1) * group; ++head) {
      head_view h = view_head(call, window, head);
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t j = 0; j < tokens; ++j) {
          double p, ds;
          score_gradient(&h, t, j, &p, &ds);
          weights[j] = (float)ds;
        }
        weighted_sum(weights, h.k, h.ldk, tokens, width, dq + (row + t) * s[4] + head * width);
      }
    }
    for (int64_t j = 0; (dk || dv) && j < tokens; ++j) {
      key_gradients(call, window, kv_head, j, dk ? dk + (row + j) * s[5] + kv_head * width : NULL,
                    dv ? dv + (row + j) * s[6] + kv_head * width : NULL, sums);
    }
  }
}
