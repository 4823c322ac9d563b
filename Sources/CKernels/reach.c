// The reach of every kernel: a function per family of kernels that have the same buffers, and a
// table. Sizes come from files: what overflows, or is negative, reaches further than any buffer.
#include "kernel.h"
#include "sft_reach.h"

static const int64_t FAR = INT64_MAX;

static int64_t times(int64_t a, int64_t b) {
  int64_t product;
  if (a < 0 || b < 0 || a == FAR || b == FAR) return FAR;
  return __builtin_mul_overflow(a, b, &product) ? FAR : product;
}

static int64_t plus(int64_t a, int64_t b) {
  int64_t sum;
  if (a < 0 || b < 0) return FAR;
  return __builtin_add_overflow(a, b, &sum) ? FAR : sum;
}

static int64_t rounded_up(int64_t count, int64_t unit) {
  return count > FAR - unit ? FAR : (count + unit - 1) / unit * unit;
}

// Bytes up to the last element of a matrix whose rows are `stride` elements apart.
static int64_t matrix(int64_t rows, int64_t columns, int64_t stride, int64_t bytes) {
  if (rows < 0 || columns < 0 || stride < columns) return FAR;
  if (rows == 0 || columns == 0) return 0;
  return times(plus(times(rows - 1, stride), columns), bytes);
}

// What is asked: sizes and items; kernels differ further by `kind` and by types.
typedef struct question {
  const int64_t *s;
  int64_t items;
  int kind;
  sft_type type;
  int64_t left_bytes;
} question;

typedef void reach_function(const question *q, sft_reach *r);

static int64_t bytes_of(sft_type type) { return type == SFT_F32 ? 4 : type == SFT_BF16 ? 2 : 1; }

static void may_be_null(sft_reach *r, int slot, int64_t bytes) {
  r->bytes[slot] = bytes;
  r->optional |= 1u << slot;
}

// ---- products

enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT };
// What computes: a library's sgemm, tiles of floats, of bf16 pairs, or of bytes.
enum { LIBRARY = 0, TILES = 4, PAIRS = 8, BYTES = 12 };

static int64_t tile_scratch(int64_t summed, int64_t columns, int64_t most, int64_t unit,
                            int64_t bytes) {
  const int64_t p = rounded_up(sft_max(1, sft_min(summed, most)), unit);
  const int64_t block = sft_min(393216, times(times(bytes, p), rounded_up(columns, 32)));
  return plus(sft_max(times(32 * bytes, p), block), times(64 * bytes, p));
}

static int64_t product_scratch(const question *q, int family, int64_t summed, int64_t columns,
                               bool is_narrow) {
  switch (family) {
    case LIBRARY:
      if (q->type == SFT_F32) return 0;
      return times(times(sft_max(1, q->s[8]), sft_max(0, q->s[2])), 4);
    case TILES:
      return tile_scratch(summed, columns, 2048, 16, 4);
    case PAIRS:
      return tile_scratch(summed, columns, is_narrow ? FAR : 4096, 64, 2);
    default:
      return tile_scratch(summed, columns, FAR, 64, 2);
  }
}

static void product(const question *q, sft_reach *r) {
  const int64_t *s = q->s, m = s[0], n = s[1], k = s[2];
  const int kind = q->kind & 3, family = q->kind & ~3;
  const bool is_narrow = (family == PAIRS || family == BYTES) && s[8] != 0;
  const int64_t left = family == PAIRS ? 2 : family == BYTES ? 1 : 4;
  const int64_t rows = kind == WEIGHT_GRADIENT ? n : m, columns = kind == FORWARD ? n : k;
  const int64_t summed = kind == FORWARD ? k : kind == INPUT_GRADIENT ? n : m;
  r->items = s[7] == 0 ? rows : columns;
  r->written = kind == WEIGHT_GRADIENT ? 1u << 2 : 1u << 3;
  r->bytes[0] = matrix(m, kind == FORWARD ? k : n, s[3], left);
  r->scratch = product_scratch(q, family, summed, columns, is_narrow);
  const int64_t result = matrix(rows, columns, s[5], is_narrow ? 2 : 4);
  if (kind == WEIGHT_GRADIENT) {
    r->bytes[1] = matrix(m, k, s[4], left);
    r->bytes[2] = result;
    return;
  }
  r->bytes[1] = matrix(n, k, s[4], bytes_of(q->type));
  r->bytes[3] = result;
  if (family == BYTES) {
    r->bytes[2] = times(n, 4);
    r->bytes[4] = times(m, 4);
    if (kind == INPUT_GRADIENT && q->type == SFT_INT8) r->optional = 1u << 2;
  } else if (q->type == SFT_INT8) {
    r->bytes[2] = times(n, 4);
  }
}

static void bias_add(const question *q, sft_reach *r) {
  r->written = 1u;
  r->bytes[0] = matrix(q->items, q->s[0], q->s[1], bytes_of(q->type));
  r->bytes[1] = times(q->s[0], 4);
}

static void column_sum(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = matrix(q->s[0], q->items, q->s[1], bytes_of(q->type));
  r->bytes[1] = times(q->items, 4);
}

// ---- quantisation

static void quantise_rows(const question *q, sft_reach *r) {
  r->written = 1u << 1 | 1u << 2;
  r->bytes[0] = matrix(q->items, q->s[0], q->s[1], 2);
  r->bytes[1] = times(q->items, q->s[0]);
  r->bytes[2] = times(q->items, 4);
  may_be_null(r, 3, times(q->s[0], 4));
}

static void quantise_rows_f32(const question *q, sft_reach *r) {
  r->written = 1u << 1 | 1u << 2;
  r->bytes[0] = times(times(q->items, q->s[0]), 4);
  r->bytes[1] = times(q->items, q->s[0]);
  r->bytes[2] = times(q->items, 4);
}

static void restore_rows(const question *q, sft_reach *r) {
  r->written = 1u << 2;
  r->bytes[0] = times(q->items, q->s[0]);
  r->bytes[1] = times(q->items, 4);
  r->bytes[2] = times(times(q->items, q->s[0]), q->type == SFT_F32 ? 4 : 2);
}

static void quantisation_error(const question *q, sft_reach *r) {
  r->written = 1u << 2;
  r->bytes[0] = r->bytes[1] = times(times(q->s[0], q->s[1]), 4);
  r->bytes[2] = 64 * 8;
  r->items = 64;
}

static void column_magnitudes(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(times(q->s[0], q->s[1]), 4);
  r->bytes[1] = times(q->s[1], 4);
  r->items = q->s[1];
}

static void row_scales(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(times(q->items, q->s[0]), bytes_of(q->type));
  r->bytes[1] = times(q->items, 4);
}

// ---- embedding and normalisation

// Ids outside the table are passed over, so that theirs is the only reach.
static int64_t table_rows(const question *q) {
  return q->s[1] < 0 || q->s[1] > INT32_MAX ? FAR : q->s[2];
}

static void embedding(const question *q, sft_reach *r) {
  r->written = 1u << 3;
  const int64_t rows = table_rows(q);
  r->bytes[0] = times(q->items, 4);
  r->bytes[1] = times(times(rows, q->s[0]), bytes_of(q->type));
  if (q->type == SFT_INT8) r->bytes[2] = times(rows, 4);
  r->bytes[3] = times(times(q->items, q->s[0]), 4);
}

static void embedding_gradient(const question *q, sft_reach *r) {
  r->written = 1u << 2;
  r->bytes[0] = times(q->s[3], 4);
  r->bytes[1] = times(times(q->s[3], q->s[0]), 4);
  r->bytes[2] = times(times(table_rows(q), q->s[0]), 4);
  r->items = q->s[0];
}

static void norm(const question *q, sft_reach *r) {
  r->written = 1u << 2 | 1u << 3;
  const int64_t count = times(q->items, q->s[0]);
  r->bytes[0] = times(count, q->left_bytes);
  r->bytes[1] = times(q->s[0], 4);
  r->bytes[2] = times(count, bytes_of(q->type));
  may_be_null(r, 3, times(q->items, 4));
}

static void norm_input_gradient(const question *q, sft_reach *r) {
  r->written = 1u << 4;
  const int64_t bytes = times(times(q->items, q->s[0]), bytes_of(q->type));
  r->bytes[0] = r->bytes[1] = r->bytes[4] = bytes;
  r->bytes[2] = times(q->s[0], 4);
  r->bytes[3] = times(q->items, 4);
}

static void norm_gain_gradient(const question *q, sft_reach *r) {
  r->written = 1u << 3;
  r->bytes[0] = r->bytes[1] = times(times(q->s[1], q->s[0]), bytes_of(q->type));
  r->bytes[2] = times(q->s[1], 4);
  r->bytes[3] = times(q->s[0], 4);
  r->items = q->s[0];
}

// ---- attention

static void rotary(const question *q, sft_reach *r) {
  r->written = 1u << 3;
  const int64_t *s = q->s, width = times(s[0], s[1]), bytes = bytes_of(q->type);
  if (s[2] < 1) {
    r->items = 0;
    return;
  }
  r->bytes[0] = matrix(q->items, width, s[3], bytes);
  r->bytes[3] = matrix(q->items, width, s[4], bytes);
  r->bytes[1] = r->bytes[2] = times(times(sft_min(q->items, s[2]), s[1] / 2), 4);
  may_be_null(r, 4, 4);
  r->indices = 1u << 4;
}

// Elements of scratch of tiles of Q rows, and of what is packed, in bytes.
static int64_t attention_scratch(const question *q) {
  const int64_t tokens = q->s[0], rows = sft_max(1, q->s[8]);
  const int64_t scores = times(rows, tokens);
  if (q->type == SFT_F32) {
    return q->kind == FORWARD ? times(scores, 4) : times(plus(times(scores, 2), rows), 4);
  }
  const int64_t t = rounded_up(sft_max(0, tokens), 32), w = rounded_up(sft_max(0, q->s[3]), 32);
  const int64_t padded = rounded_up(rows, 32);
  if (q->kind == FORWARD) {
    return plus(plus(times(4, times(t, w)), times(2, times(rows, w))),
                plus(times(6, times(rows, t)), 320));
  }
  return plus(plus(times(14, times(t, w)), times(2, times(plus(rows, padded), w))),
              plus(plus(times(12, times(rows, t)), times(2, times(padded, t))), 768));
}

static void attention(const question *q, sft_reach *r) {
  const int64_t *s = q->s, heads = s[1], kv_heads = s[2], bytes = bytes_of(q->type);
  const int64_t of_window = q->kind == FORWARD ? heads : kv_heads;
  if (heads < 1 || kv_heads < 1 || heads % kv_heads != 0 || s[9] < 0) {
    r->items = 0;
    return;
  }
  const int64_t windows = q->items / of_window + (q->items % of_window != 0);
  const int64_t tokens = times(windows, s[0]);
  const int64_t queries = matrix(tokens, times(heads, s[3]), s[4], bytes);
  const int64_t keys = matrix(tokens, times(kv_heads, s[3]), s[5], bytes);
  const int64_t values = matrix(tokens, times(kv_heads, s[3]), s[6], bytes);
  const int64_t outputs = matrix(tokens, times(heads, s[3]), s[7], bytes);
  const int64_t sums = times(times(tokens, heads), 4);
  r->written = q->kind == FORWARD ? 1u << 4 | 1u << 5 : 7u << 7;
  r->bytes[0] = queries;
  r->bytes[1] = keys;
  r->bytes[2] = values;
  r->bytes[3] = times(tokens, 4);
  r->bytes[4] = outputs;
  r->scratch = attention_scratch(q);
  if (q->kind == FORWARD) {
    may_be_null(r, 5, sums);
    return;
  }
  r->bytes[5] = sums;
  r->bytes[6] = outputs;
  may_be_null(r, 7, queries);
  may_be_null(r, 8, keys);
  may_be_null(r, 9, values);
}

static void attention_cached(const question *q, sft_reach *r) {
  r->written = 1u << 4;
  const int64_t *s = q->s;
  if (s[1] < 1 || s[2] < 1 || s[1] % s[2] != 0) {
    r->items = 0;
    return;
  }
  r->bytes[0] = r->bytes[4] = times(times(s[0], times(s[1], s[3])), 4);
  r->bytes[1] = r->bytes[2] = times(times(s[4], times(s[2], s[3])), 4);
  r->bytes[3] = 4;
  r->items = s[1];
  r->scratch = times(s[4], 4);
  r->indices = 1u << 3;
}

static void cache_store(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(times(q->items, q->s[0]), 4);
  r->bytes[1] = times(times(q->s[1], q->s[0]), 4);
  r->bytes[2] = 4;
  r->indices = 1u << 2;
}

// ---- elementwise: `kind` buffers, the last of which is written

static void elementwise(const question *q, sft_reach *r) {
  r->written = 1u << (q->kind - 1);
  for (int slot = 0; slot < q->kind; ++slot) r->bytes[slot] = times(q->items, bytes_of(q->type));
}

static void gated_gradient(const question *q, sft_reach *r) {
  r->written = 1u << 3 | 1u << 4;
  const int64_t bytes = times(q->items, bytes_of(q->type));
  for (int slot = 0; slot < 3; ++slot) r->bytes[slot] = bytes;
  may_be_null(r, 3, bytes);
  may_be_null(r, 4, bytes);
}

static void convert(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(q->items, q->left_bytes);
  r->bytes[1] = times(q->items, bytes_of(q->type));
}

// ---- loss and columns

static void cross_entropy(const question *q, sft_reach *r) {
  r->written = 1u | 1u << 2;
  r->bytes[0] = q->s[0] < 1 ? FAR : times(times(q->items, q->s[0]), 4);
  r->bytes[1] = r->bytes[2] = times(q->items, 4);
  may_be_null(r, 3, 4);
  r->indices = 1u << 1;
}

static void columns(const question *q, sft_reach *r) {
  const int64_t *s = q->s, bytes = bytes_of(q->type);
  const bool scatters = q->kind == 0;
  r->written = scatters ? 1u << 2 : 1u << 1 | 1u << 2;
  const int64_t whole = matrix(q->items, s[scatters ? 2 : 1], s[scatters ? 2 : 1], bytes);
  const int64_t some = matrix(q->items, s[0], s[scatters ? 1 : 2], bytes);
  r->bytes[0] = times(s[0], 4);
  r->bytes[1] = scatters ? some : whole;
  r->bytes[2] = scatters ? whole : some;
  r->indices = 1u;
}

// ---- optimizers; hyper has eight floats

enum { HYPER_BYTES = 32, INT4_MOMENTS = 4 };

// `left_bytes` of an element that is stepped; moments are of `type`, or `kind` bits.
static void adamw(const question *q, sft_reach *r) {
  r->written = 1u | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 6;
  int64_t count = q->items, moments = times(q->items, bytes_of(q->type));
  int64_t second = moments;
  if (q->type == SFT_INT8) {
    const int64_t blocks = rounded_up(sft_max(0, q->s[1]), SFT_MOMENT_BLOCK) / SFT_MOMENT_BLOCK;
    r->items = blocks;
    count = sft_min(times(q->items, SFT_MOMENT_BLOCK), sft_max(0, q->s[1]));
    second = count;
    moments = q->kind == INT4_MOMENTS ? times(q->items, SFT_MOMENT_BLOCK / 2) : count;
    r->bytes[5] = r->bytes[6] = times(q->items, 4);
  }
  r->bytes[0] = times(count, q->left_bytes);
  r->bytes[1] = times(count, 4);
  r->bytes[2] = moments;
  r->bytes[3] = second;
  r->bytes[4] = HYPER_BYTES;
}

static void sgd(const question *q, sft_reach *r) {
  r->written = 1u | 1u << 2;
  r->bytes[0] = r->bytes[1] = r->bytes[2] = times(q->items, 4);
  r->bytes[3] = HYPER_BYTES;
}

static void integers(const question *q, sft_reach *r) {
  const int64_t count = times(q->items, q->s[1]);
  const bool has_moment = q->kind != 0;
  r->written = has_moment ? 1u << 2 | 1u << 3 : 1u | 1u << 1;
  r->bytes[0] = count;
  r->bytes[1] = times(q->items, 4);
  r->bytes[2] = times(count, 4);
  if (has_moment) r->bytes[3] = times(count, 2);
  r->bytes[has_moment ? 4 : 3] = HYPER_BYTES;
  if (!has_moment) {
    may_be_null(r, 4, times(count, 2));
    r->written |= 1u << 4;
  }
}

static void squared_norm(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(q->s[0], 4);
  r->bytes[1] = 64 * 8;
  r->items = 64;
}

static void gradient_scores(const question *q, sft_reach *r) {
  r->written = 1u << 1 | 1u << 3;
  r->bytes[0] = times(q->s[0], 4);
  r->bytes[1] = times(rounded_up(sft_max(0, q->s[0]), 32) / 32, 4);
  r->bytes[2] = 4;
  r->bytes[3] = 192 * 8;
  r->items = 64;
}

static void clip_scale(const question *q, sft_reach *r) {
  r->written = 1u << 1;
  r->bytes[0] = times(q->s[0], 8);
  r->bytes[1] = HYPER_BYTES;
  r->items = 1;
}

static void probe(const question *q, sft_reach *r) {
  r->written = 1u << 2;
  r->bytes[0] = q->s[0] < 0 ? FAR : 64 * 4;
  r->bytes[1] = (16 + 256) * 4;
  r->bytes[2] = times(q->items, 64);
}

// ---- the table

typedef struct reach_row {
  reach_function *function;
  int kind;
  sft_type type;
  int64_t left_bytes;
} reach_row;

#define FOR(name, function, kind, type, left_bytes) \
  [SFT_INDEX_##name] = {function, kind, type, left_bytes}
#define FOR_WEIGHTS(name, kind)                                                             \
  FOR(name##_f32, product, kind, SFT_F32, 0), FOR(name##_bf16, product, kind, SFT_BF16, 0), \
      FOR(name##_int8, product, kind, SFT_INT8, 0)
#define FOR_PRODUCTS(name, family)       \
  FOR_WEIGHTS(name, (family) | FORWARD), \
      FOR_WEIGHTS(name##_input_gradient, (family) | INPUT_GRADIENT)
#define FOR_ADAMW(name, bytes)                                                            \
  FOR(name##_f32, adamw, 0, SFT_F32, bytes), FOR(name##_bf16, adamw, 0, SFT_BF16, bytes), \
      FOR(name##_int8, adamw, 0, SFT_INT8, bytes),                                        \
      FOR(name##_int4, adamw, INT4_MOMENTS, SFT_INT8, bytes)

static const reach_row table[SFT_KERNEL_COUNT] = {
    FOR_PRODUCTS(linear, LIBRARY),
    FOR(linear_weight_gradient, product, LIBRARY | WEIGHT_GRADIENT, SFT_F32, 0),
    FOR_PRODUCTS(tiled_linear, TILES),
    FOR(tiled_linear_weight_gradient, product, TILES | WEIGHT_GRADIENT, SFT_F32, 0),
    FOR_PRODUCTS(bf16_linear, PAIRS),
    FOR(bf16_linear_weight_gradient, product, PAIRS | WEIGHT_GRADIENT, SFT_F32, 0),
    FOR_PRODUCTS(quantised_linear, BYTES),
    FOR(bias_add, bias_add, 0, SFT_F32, 0),
    FOR(bias_add_bf16, bias_add, 0, SFT_BF16, 0),
    FOR(column_sum, column_sum, 0, SFT_F32, 0),
    FOR(column_sum_bf16, column_sum, 0, SFT_BF16, 0),
    FOR(quantise_rows, quantise_rows, 0, SFT_BF16, 0),
    FOR(quantise_rows_f32, quantise_rows_f32, 0, SFT_F32, 0),
    FOR(restore_rows_f32, restore_rows, 0, SFT_F32, 0),
    FOR(restore_rows_bf16, restore_rows, 0, SFT_BF16, 0),
    FOR(quantisation_error, quantisation_error, 0, SFT_F32, 0),
    FOR(column_magnitudes, column_magnitudes, 0, SFT_F32, 0),
    FOR(row_scales_f32, row_scales, 0, SFT_F32, 0),
    FOR(row_scales_bf16, row_scales, 0, SFT_BF16, 0),
    FOR(embedding_f32, embedding, 0, SFT_F32, 0),
    FOR(embedding_bf16, embedding, 0, SFT_BF16, 0),
    FOR(embedding_int8, embedding, 0, SFT_INT8, 0),
    FOR(embedding_gradient, embedding_gradient, 0, SFT_F32, 0),
    FOR(rmsnorm, norm, 0, SFT_F32, 4),
    FOR(rmsnorm_bf16, norm, 0, SFT_BF16, 4),
    FOR(head_norm_bf16, norm, 0, SFT_BF16, 2),
    FOR(rmsnorm_input_gradient, norm_input_gradient, 0, SFT_F32, 0),
    FOR(head_norm_input_gradient_bf16, norm_input_gradient, 0, SFT_BF16, 0),
    FOR(rmsnorm_gain_gradient, norm_gain_gradient, 0, SFT_F32, 0),
    FOR(head_norm_gain_gradient_bf16, norm_gain_gradient, 0, SFT_BF16, 0),
    FOR(rotary, rotary, 0, SFT_F32, 0),
    FOR(rotary_bf16, rotary, 0, SFT_BF16, 0),
    FOR(attention, attention, FORWARD, SFT_F32, 0),
    FOR(attention_bf16, attention, FORWARD, SFT_BF16, 0),
    FOR(attention_gradient, attention, INPUT_GRADIENT, SFT_F32, 0),
    FOR(attention_gradient_bf16, attention, INPUT_GRADIENT, SFT_BF16, 0),
    FOR(attention_cached, attention_cached, 0, SFT_F32, 0),
    FOR(cache_store, cache_store, 0, SFT_F32, 0),
    FOR(swiglu, elementwise, 3, SFT_F32, 0),
    FOR(swiglu_bf16, elementwise, 3, SFT_BF16, 0),
    FOR(geglu, elementwise, 3, SFT_F32, 0),
    FOR(geglu_bf16, elementwise, 3, SFT_BF16, 0),
    FOR(swiglu_gradient, gated_gradient, 0, SFT_F32, 0),
    FOR(swiglu_gradient_bf16, gated_gradient, 0, SFT_BF16, 0),
    FOR(geglu_gradient, gated_gradient, 0, SFT_F32, 0),
    FOR(geglu_gradient_bf16, gated_gradient, 0, SFT_BF16, 0),
    FOR(softmax_cross_entropy, cross_entropy, 0, SFT_F32, 0),
    FOR(softmax_cross_entropy_bf16, cross_entropy, 0, SFT_F32, 0),
    FOR(scatter_columns, columns, 0, SFT_F32, 0),
    FOR(take_columns, columns, 1, SFT_F32, 0),
    FOR(take_columns_bf16, columns, 1, SFT_BF16, 0),
    FOR(add, elementwise, 3, SFT_F32, 0),
    FOR(add_bf16, elementwise, 3, SFT_BF16, 0),
    FOR(copy, elementwise, 2, SFT_F32, 0),
    FOR(fill, elementwise, 1, SFT_F32, 0),
    FOR(scale, elementwise, 2, SFT_F32, 0),
    FOR(to_bf16, convert, 0, SFT_BF16, 4),
    FOR(to_f32, convert, 0, SFT_F32, 2),
    FOR_ADAMW(adamw_f32, 4),
    FOR_ADAMW(adamw_bf16, 2),
    FOR_ADAMW(adamw_direction, 4),
    FOR(sgd, sgd, 0, SFT_F32, 0),
    FOR(sgd_direction_int8, integers, 1, SFT_INT8, 0),
    FOR(step_int8, integers, 0, SFT_INT8, 0),
    FOR(squared_norm, squared_norm, 0, SFT_F32, 0),
    FOR(gradient_scores, gradient_scores, 0, SFT_F32, 0),
    FOR(clip_scale, clip_scale, 0, SFT_F32, 0),
    FOR(probe_floats, probe, 0, SFT_F32, 0),
    FOR(probe_pairs, probe, 0, SFT_F32, 0),
    FOR(probe_bytes, probe, 0, SFT_F32, 0),
};

bool sft_kernel_reach(int64_t row, const int64_t *sizes, int64_t items, sft_reach *reach) {
  if (row < 0 || row >= SFT_KERNEL_COUNT || !table[row].function) return false;
  const question q = {sizes, items, table[row].kind, table[row].type, table[row].left_bytes};
  *reach = (sft_reach){.items = items};
  table[row].function(&q, reach);
  return true;
}

static const char *const names[SFT_KERNEL_COUNT] = {
#define SFT_KERNEL(name) #name,
#include "sft_kernels.def"
};

int64_t sft_kernel_row_named(const char *name) {
  for (int64_t row = 0; row < SFT_KERNEL_COUNT; ++row) {
    if (strcmp(names[row], name) == 0) return row;
  }
  return -1;
}
