// Where a bundle's programs have their memory: every place lies in the arena or the checkpoint,
// every buffer is as large as what fills it, and what a delta stores was trained.
#include "bundle.h"
#include "error.h"

// Keeps sums of places and sizes within 64 bits.
static const int64_t MOST_BYTES = (int64_t)1 << 48;

static bool product_is(int64_t a, int64_t b, int64_t c, int64_t wanted) {
  int64_t product;
  return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product) &&
         !__builtin_mul_overflow(product, c, &product) && product == wanted;
}

static bool lies_within(int64_t place, int64_t bytes, int64_t end) {
  return place >= 0 && bytes >= 0 && place <= end && bytes <= end - place;
}

// ---- tensors of the checkpoint

static bool tensor_is_whole(const sft_tensor *t, int64_t file_bytes) {
  int64_t count;
  if (t->type > SFT_ELEMENT_INT8 || t->rows < 1 || t->width < 1 || t->offset % 64 != 0 ||
      __builtin_mul_overflow(t->rows, t->width, &count) || count > MOST_BYTES / 4) {
    return false;
  }
  if (!lies_within(t->offset, count * sft_element_size(t->type), file_bytes)) return false;
  if (t->type != SFT_ELEMENT_INT8) return true;
  return t->scales_offset % 64 == 0 && lies_within(t->scales_offset, 4 * t->rows, file_bytes);
}

static sft_status check_tensors(const sft_bundle *b, sft_error *error) {
  for (int64_t i = 0; i < b->tensor_count; ++i) {
    if (tensor_is_whole(&b->tensors[i], b->checkpoint_bytes)) continue;
    return sft_fail(error, SFT_BAD_FILE, "tensor %lld lies outside the checkpoint", (long long)i);
  }
  return SFT_OK;
}

// ---- contents

static bool has_rows(const sft_bundle *bundle, const sft_buffer *b) {
  return b->tensor >= 0 && b->tensor < bundle->tensor_count && b->first_row >= 0 &&
         b->first_row <= b->end_row && b->end_row <= bundle->tensors[b->tensor].rows;
}

static bool chosen_rows_are_there(const sft_bundle *bundle, const sft_buffer *b) {
  if (b->tensor < 0 || b->tensor >= bundle->tensor_count) return false;
  for (int64_t i = 0; i < b->number_count; ++i) {
    const int32_t id = sft_number_at(b, i);
    if (id < 0 || id >= bundle->tensors[b->tensor].rows) return false;
  }
  return true;
}

// Whether a kept buffer is as large as what fills it.
static bool can_be_filled(const sft_bundle *bundle, const sft_program_data *p,
                          const sft_buffer *b) {
  const int64_t size = sft_element_size(b->element);
  const bool is_float = b->element == SFT_ELEMENT_F32 || b->element == SFT_ELEMENT_BF16;
  if (b->element == SFT_ELEMENT_INT8 && b->kind == SFT_PARAMETER) {
    const sft_buffer *scales = sft_scales_of(p, b);
    if (!scales || scales->element != SFT_ELEMENT_F32 || scales->place < 0 ||
        scales->bytes % 4 != 0 || scales->bytes < 4 || b->bytes % (scales->bytes / 4) != 0) {
      return false;
    }
    if (b->contents == SFT_ROWS) {
      return has_rows(bundle, b) && 4 * (b->end_row - b->first_row) == scales->bytes &&
             product_is(b->end_row - b->first_row, bundle->tensors[b->tensor].width, 1, b->bytes);
    }
    return b->contents == SFT_ZEROS || (b->contents == SFT_KAIMING && b->fan_in > 0);
  }
  switch (b->contents) {
    case SFT_UNDEFINED:
    case SFT_ZEROS:
      return true;
    case SFT_ROWS:
      return is_float && has_rows(bundle, b) &&
             product_is(b->end_row - b->first_row, bundle->tensors[b->tensor].width, size,
                        b->bytes);
    case SFT_CHOSEN:
      return b->element == SFT_ELEMENT_F32 && chosen_rows_are_there(bundle, b) &&
             product_is(b->number_count, bundle->tensors[b->tensor].width, size, b->bytes);
    case SFT_ROW_SCALES:
      return b->element == SFT_ELEMENT_F32 && has_rows(bundle, b) &&
             product_is(b->end_row - b->first_row, 4, 1, b->bytes);
    case SFT_SCALES:
      // The matrix's contents fill its scales.
      return b->element == SFT_ELEMENT_F32;
    case SFT_KAIMING:
      return is_float && b->fan_in > 0;
    case SFT_VALUES:
      return is_float && product_is(b->number_count, size, 1, b->bytes);
    case SFT_INTEGERS:
      return b->element == SFT_ELEMENT_INT32 && product_is(b->number_count, 4, 1, b->bytes);
  }
  return false;
}

// Whether a weight outside the arena is the rows, or the scales of rows, of a tensor.
static bool is_mapped(const sft_bundle *bundle, const sft_buffer *b) {
  if (!has_rows(bundle, b)) return false;
  const sft_tensor *t = &bundle->tensors[b->tensor];
  const int64_t rows = b->end_row - b->first_row;
  if (b->contents == SFT_SCALES) {
    return t->type == SFT_ELEMENT_INT8 && product_is(rows, 4, 1, b->bytes);
  }
  return b->contents == SFT_ROWS && b->element == t->type &&
         product_is(rows, t->width, sft_element_size(t->type), b->bytes);
}

static sft_status check_buffers(const sft_bundle *bundle, const sft_program_data *p,
                                sft_error *error) {
  for (int64_t i = 0; i < p->buffer_count; ++i) {
    const sft_buffer *b = &p->buffers[i];
    const int64_t end = b->is_persistent ? p->persistent_bytes : p->arena_bytes;
    bool is_right = b->element <= SFT_ELEMENT_CODES && b->bytes >= 0 && b->bytes <= MOST_BYTES;
    if (is_right && b->place == -1) {
      is_right = !b->is_persistent && is_mapped(bundle, b);
    } else if (is_right) {
      is_right = b->place % 64 == 0 && lies_within(b->place, b->bytes, end) &&
                 (!b->is_persistent || can_be_filled(bundle, p, b));
    }
    if (!is_right) {
      return sft_fail(error, SFT_BAD_FILE, "buffer '%.80s' has no place, or can't be filled",
                      b->name);
    }
  }
  return SFT_OK;
}

static sft_status check_ports(const sft_program_data *p, sft_error *error) {
  for (int64_t i = 0; i < p->port_count; ++i) {
    const sft_port *port = &p->ports[i];
    if (port->buffer < p->buffer_count && p->buffers[port->buffer].place >= 0 &&
        p->buffers[port->buffer].element == port->element) {
      continue;
    }
    return sft_fail(error, SFT_BAD_FILE, "port '%.80s' has no buffer", port->name);
  }
  return SFT_OK;
}

static sft_status check_program(const sft_bundle *bundle, const sft_program_data *p,
                                sft_error *error) {
  if (p->arena_bytes < 0 || p->arena_bytes > bundle->arena_bytes || p->persistent_bytes < 0 ||
      p->persistent_bytes > p->arena_bytes) {
    return sft_fail(error, SFT_BAD_FILE, "a program's arena is larger than the bundle's");
  }
  sft_status status = check_buffers(bundle, p, error);
  if (status == SFT_OK) status = check_ports(p, error);
  return status;
}

// ---- changes

// Elements of a trained parameter; -1 where the buffer is none.
static int64_t trained_count(const sft_program_data *training, int64_t buffer) {
  if (buffer >= training->buffer_count) return -1;
  const sft_buffer *b = &training->buffers[buffer];
  if (b->kind != SFT_PARAMETER || !b->is_persistent) return -1;
  return b->bytes / sft_element_size(b->element);
}

// Rows of all runs, or elements of a shape; -1 where they make no sense.
static int64_t amount(const sft_change *c) {
  int64_t total = c->kind == SFT_NEW_TENSOR;
  if (c->kind == SFT_NEW_ROWS && c->number_count % 2 != 0) return -1;
  for (int64_t i = 0; i < c->number_count; ++i) {
    const int64_t number = c->numbers[i];
    if (number < 0 || number > INT32_MAX) return -1;
    if (c->kind == SFT_NEW_TENSOR) {
      if (__builtin_mul_overflow(total, number, &total)) return -1;
    } else if (i % 2 == 1) {
      if (number <= c->numbers[i - 1]) return -1;
      total += number - c->numbers[i - 1];
    }
  }
  return total;
}

static bool can_be_stored(const sft_program_data *training, const sft_change *c) {
  static const int64_t parameters[] = {1, 2, 3, 1};
  if (c->parameter_count != parameters[c->kind]) return false;
  if (c->kind == SFT_NEW_TENSOR && (c->number_count < 1 || c->number_count > 4)) return false;
  const bool has_runs = c->kind == SFT_NEW_ROWS, has_shape = c->kind == SFT_NEW_TENSOR;
  if (has_runs && (c->number_count < 2 || c->tensor_axes < 1 || c->tensor_axes > 2)) return false;
  const int64_t total = amount(c), parts = has_runs ? total : c->count;
  if (!has_runs && !has_shape && c->number_count != 0) return false;
  for (int64_t i = 0; i < c->parameter_count; ++i) {
    const int64_t count = trained_count(training, c->parameters[i]);
    if (count < 1) return false;
    // A row of the delta takes a scale of its own.
    const sft_buffer *b = &training->buffers[c->parameters[i]];
    if (has_runs && b->element == SFT_ELEMENT_INT8) {
      const sft_buffer *scales = sft_scales_of(training, b);
      if (!scales || scales->bytes != 4 * total) return false;
    }
    if (has_shape ? count != total : parts < 1 || count % parts != 0) return false;
  }
  return true;
}

static sft_status check_changes(const sft_bundle *bundle, sft_error *error) {
  for (int64_t i = 0; i < bundle->change_count; ++i) {
    if (can_be_stored(&bundle->programs[SFT_TRAINING], &bundle->changes[i])) continue;
    return sft_fail(error, SFT_BAD_FILE, "the change of '%.80s' has no parameters, or others",
                    bundle->changes[i].tensor);
  }
  return SFT_OK;
}

sft_status sft_check_bundle(const sft_bundle *bundle, sft_error *error) {
  if (bundle->arena_bytes < 0 || bundle->arena_bytes > MOST_BYTES || bundle->scratch_bytes < 0 ||
      bundle->scratch_bytes > MOST_BYTES / 65536 || bundle->scratch_bytes % 64 != 0 ||
      bundle->checkpoint_bytes < 0 || !bundle->programs[SFT_TRAINING].is_there ||
      !bundle->programs[SFT_VALIDATION].is_there) {
    return sft_fail(error, SFT_BAD_FILE, "the bundle lacks a program, or memory");
  }
  sft_status status = check_tensors(bundle, error);
  for (int role = 0; role < SFT_ROLES && status == SFT_OK; ++role) {
    status = check_program(bundle, &bundle->programs[role], error);
  }
  if (status == SFT_OK) status = sft_check_calls(bundle, error);
  return status == SFT_OK ? check_changes(bundle, error) : status;
}
