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

// The pass that a kernel is of, as its `kind`.
enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT };

typedef void reach_function(const question *q, sft_reach *r);

static int64_t bytes_of(sft_type type) { return type == SFT_F32 ? 4 : type == SFT_BF16 ? 2 : 1; }

static void may_be_null(sft_reach *r, int slot, int64_t bytes) {
  r->bytes[slot] = bytes;
  r->optional |= 1u << slot;
}

#include "reach/layers.inc"
#include "reach/products.inc"
#include "reach/updates.inc"

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
    FOR(quantise_rows_f32, quantise_rows, 0, SFT_F32, 0),
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
