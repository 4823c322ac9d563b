// Causal attention within documents, its gradients, and attention to a cache of keys and values.
#include "reference.h"

static double dot(const float *a, const float *b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += (double)a[i] * b[i];
  return sum;
}

// Softmax of `scores` in place; returns the log-sum-exp.
static double softmax(float *scores, int64_t count) {
  double highest = -INFINITY, sum = 0;
  for (int64_t j = 0; j < count; ++j) highest = fmax(highest, scores[j]);
  for (int64_t j = 0; j < count; ++j) sum += exp(scores[j] - highest);
  double log_sum = highest + log(sum);
  for (int64_t j = 0; j < count; ++j) scores[j] = (float)exp(scores[j] - log_sum);
  return log_sum;
}

// out[d] = Σ_j weights[j] · values[j, d]
static void weighted_sum(const float *weights, const float *values, int64_t stride, int64_t count,
                         int64_t width, float *out) {
  for (int64_t d = 0; d < width; ++d) {
    double sum = 0;
    for (int64_t j = 0; j < count; ++j) sum += (double)weights[j] * values[j * stride + d];
    out[d] = (float)sum;
  }
}

SFT_REFERENCE(attention) {
  const int64_t *s = call->sizes, tokens = s[0], heads = s[1], group = s[1] / s[2], width = s[3];
  const int64_t ldq = s[4], ldk = s[5], ldv = s[6], ldo = s[7];
  float *scores = scratch, *lse = call->buffers[5];
  for (int64_t item = begin; item < end; ++item) {
    int64_t window = item / heads * tokens, head = item % heads;
    const float *q = (const float *)call->buffers[0] + window * ldq + head * width;
    const float *k = (const float *)call->buffers[1] + window * ldk + head / group * width;
    const float *v = (const float *)call->buffers[2] + window * ldv + head / group * width;
    const int32_t *starts = (const int32_t *)call->buffers[3] + window;
    float *o = (float *)call->buffers[4] + window * ldo + head * width;
    for (int64_t t = 0; t < tokens; ++t) {
      int64_t start = sft_first_key(starts, t, s[9]), count = t + 1 - start;
      for (int64_t j = 0; j < count; ++j) {
        double score = dot(q + t * ldq, k + (start + j) * ldk, width);
        scores[j] = (float)(call->scalars[0] * score);
      }
      double log_sum = softmax(scores, count);
      weighted_sum(scores, v + start * ldv, ldv, count, width, o + t * ldo);
      if (lse) lse[item * tokens + t] = (float)log_sum;
    }
  }
}

// One query head of one window, its tensors at the window's first row and the head's first column.
typedef struct head_view {
  const float *q, *k, *v, *o, *out_gradient, *lse;
  const int32_t *starts;
  int64_t tokens, width, ldq, ldk, ldv, ldo, window;
  float scale;
} head_view;

static head_view view_head(const sft_call *call, int64_t window, int64_t head) {
  const int64_t *s = call->sizes, kv_column = head / (s[1] / s[2]) * s[3], column = head * s[3];
  const int64_t row = window * s[0];
  return (head_view){
      .q = (const float *)call->buffers[0] + row * s[4] + column,
      .k = (const float *)call->buffers[1] + row * s[5] + kv_column,
      .v = (const float *)call->buffers[2] + row * s[6] + kv_column,
      .o = (const float *)call->buffers[4] + row * s[7] + column,
      .out_gradient = (const float *)call->buffers[6] + row * s[7] + column,
      .lse = (const float *)call->buffers[5] + (window * s[1] + head) * s[0],
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

// The probability that token t gives to token j, and the gradient of their unscaled score:
// dS = P · (dP − Σ do·o) · scale, dP = do·v.
static void score_gradient(const head_view *h, int64_t t, int64_t j, float *p, float *ds) {
  if (j > t || j < sft_first_key(h->starts, t, h->window)) {
    *p = *ds = 0;
    return;
  }
  const float *out_gradient = h->out_gradient + t * h->ldo;
  double score = h->scale * dot(h->q + t * h->ldq, h->k + j * h->ldk, h->width);
  double probability = exp(score - h->lse[t]);
  double dp = dot(out_gradient, h->v + j * h->ldv, h->width);
  double mean = dot(out_gradient, h->o + t * h->ldo, h->width);
  *p = (float)probability;
  *ds = (float)(probability * (dp - mean) * h->scale);
}

static void add_weighted_sum(const float *weights, const float *values, int64_t stride,
                             int64_t count, int64_t width, float *out) {
  for (int64_t d = 0; d < width; ++d) {
    double sum = out[d];
    for (int64_t j = 0; j < count; ++j) sum += (double)weights[j] * values[j * stride + d];
    out[d] = (float)sum;
  }
}

SFT_REFERENCE(attention_gradient) {
  const int64_t *s = call->sizes, tokens = s[0], group = s[1] / s[2], width = s[3];
  float *p = scratch, *ds = p + tokens;
  for (int64_t item = begin; item < end; ++item) {
    int64_t window = item / s[2], kv_head = item % s[2], row = window * tokens;
    float *dq = call->buffers[7], *dk = call->buffers[8], *dv = call->buffers[9];
    if (dk) dk += row * s[5] + kv_head * width;
    if (dv) dv += row * s[6] + kv_head * width;
    for (int64_t j = 0; j < tokens; ++j) {
      for (int64_t d = 0; dk && d < width; ++d) dk[j * s[5] + d] = 0;
      for (int64_t d = 0; dv && d < width; ++d) dv[j * s[6] + d] = 0;
    }
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      head_view h = view_head(call, window, head);
      for (int64_t t = 0; dq && t < tokens; ++t) {
        for (int64_t j = 0; j < tokens; ++j) score_gradient(&h, t, j, &p[j], &ds[j]);
        float *out = dq + (row + t) * s[4] + head * width;
        weighted_sum(ds, h.k, h.ldk, tokens, width, out);
      }
      for (int64_t j = 0; (dk || dv) && j < tokens; ++j) {
        for (int64_t t = 0; t < tokens; ++t) score_gradient(&h, t, j, &p[t], &ds[t]);
        if (dk) add_weighted_sum(ds, h.q, h.ldq, tokens, width, dk + j * s[5]);
        if (dv) add_weighted_sum(p, h.out_gradient, h.ldo, tokens, width, dv + j * s[6]);
      }
    }
  }
}

SFT_REFERENCE(attention_cached) {
  const int64_t *s = call->sizes, rows = s[0], heads = s[1], kv_heads = s[2], width = s[3];
  const int64_t stride = kv_heads * width, capacity = s[4];
  const int64_t position = *(const int32_t *)call->buffers[3];
  float *scores = scratch;
  for (int64_t head = begin; head < end; ++head) {
    int64_t kv_head = head / (heads / kv_heads);
    const float *k = (const float *)call->buffers[1] + kv_head * width;
    const float *v = (const float *)call->buffers[2] + kv_head * width;
    for (int64_t i = 0; i < rows; ++i) {
      const float *q = (const float *)call->buffers[0] + (i * heads + head) * width;
      float *o = (float *)call->buffers[4] + (i * heads + head) * width;
      int64_t end = sft_min(position + i + 1, capacity);
      int64_t first = s[5] > 0 ? sft_max(0, end - s[5]) : 0, count = end - first;
      for (int64_t j = 0; j < count; ++j) {
        scores[j] = (float)(call->scalars[0] * dot(q, k + (first + j) * stride, width));
      }
      softmax(scores, count);
      weighted_sum(scores, v + first * stride, stride, count, width, o);
    }
  }
}

SFT_REFERENCE(cache_store) {
  const float *x = call->buffers[0];
  float *cache = call->buffers[1];
  const int64_t position = *(const int32_t *)call->buffers[2];
  const int64_t width = call->sizes[0], capacity = call->sizes[1];
  for (int64_t i = begin; i < end; ++i) {
    if (position + i < 0 || position + i >= capacity) continue;
    for (int64_t d = 0; d < width; ++d) cache[(position + i) * width + d] = x[i * width + d];
  }
}
