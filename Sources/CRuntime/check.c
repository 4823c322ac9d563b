// What a bundle's programs may do: every place lies in the arena or the checkpoint, every buffer is
// as large as what fills it, and no call reaches outside its buffers, whatever numbers they hold.
#include <stdlib.h>

#include "bundle.h"
#include "error.h"
#include "sft_reach.h"

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

static int32_t number_at(const sft_buffer *b, int64_t index) {
  sft_reader r = {b->numbers + 4 * index, b->numbers + 4 * index + 4, false};
  return (int32_t)(uint32_t)sft_take_unsigned(&r, 4);
}

static bool chosen_rows_are_there(const sft_bundle *bundle, const sft_buffer *b) {
  if (b->tensor < 0 || b->tensor >= bundle->tensor_count) return false;
  for (int64_t i = 0; i < b->number_count; ++i) {
    const int32_t id = number_at(b, i);
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

// ---- calls

// Whether a call may write where a buffer lies.
static bool writes_over(const sft_program_data *p, const sft_call_record *call,
                        const sft_reach *reach, const sft_buffer *b) {
  for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
    if (!(reach->written >> slot & 1) || call->buffers[slot].buffer < 0) continue;
    const sft_buffer *to = &p->buffers[call->buffers[slot].buffer];
    if (to->place < 0) continue;
    const int64_t start = to->place + call->buffers[slot].offset;
    if (start < b->place + b->bytes && b->place < start + reach->bytes[slot]) return true;
  }
  return false;
}

static bool overlap(const sft_buffer *a, const sft_buffer *b) {
  return a->place >= 0 && a->place < b->place + b->bytes && b->place < a->place + a->bytes;
}

static bool is_filled_alike(const sft_buffer *a, const sft_buffer *b) {
  return a->place == b->place && a->bytes == b->bytes && a->element == b->element &&
         a->contents == b->contents && a->number_count == b->number_count &&
         (a->number_count == 0 || memcmp(a->numbers, b->numbers, 4 * (size_t)a->number_count) == 0);
}

// Whether nothing else is kept where a buffer lies, and no port but one of that name (NULL: none)
// is there.
static bool is_alone(const sft_program_data *p, const sft_buffer *b, const char *port) {
  for (int64_t i = 0; i < p->buffer_count; ++i) {
    const sft_buffer *other = &p->buffers[i];
    if (other->is_persistent && overlap(other, b) && !is_filled_alike(other, b)) return false;
  }
  for (int64_t i = 0; i < p->port_count; ++i) {
    if (!overlap(&p->buffers[p->ports[i].buffer], b)) continue;
    if (!port || strcmp(p->ports[i].name, port) != 0) return false;
  }
  return true;
}

// Whether a kept buffer's numbers, which say where calls reach, are only written by whoever runs
// the program, through the port of that name, if any.
static bool stays(const sft_bundle *bundle, const sft_buffer *b, const char *port) {
  if (!b->is_persistent || b->place < 0) return false;
  for (int role = 0; role < SFT_ROLES; ++role) {
    const sft_program_data *p = &bundle->programs[role];
    if (!is_alone(p, b, port)) return false;
    for (int64_t i = 0; i < p->call_count; ++i) {
      sft_reach reach;
      const sft_call_record *call = &p->calls[i];
      if (!sft_kernel_reach(call->kernel, call->sizes, call->items, &reach)) return false;
      if (writes_over(p, call, &reach, b)) return false;
    }
  }
  return true;
}

// Columns by number: kept numbers that nothing writes to, each within a row.
static bool columns_are_there(const sft_bundle *bundle, const sft_buffer *b,
                              const sft_call_record *call, bool scatters) {
  if (b->contents != SFT_INTEGERS || !stays(bundle, b, NULL)) return false;
  if (call->buffers[0].offset % 4 != 0) return false;
  const int64_t first = call->buffers[0].offset / 4, limit = call->sizes[scatters ? 2 : 1];
  for (int64_t i = 0; i < call->sizes[0]; ++i) {
    const int32_t column = number_at(b, first + i);
    if (column < 0 || column >= limit) return false;
  }
  return true;
}

// Whoever runs a step writes targets, of a vocabulary that is the narrowest of its losses.
static bool targets_are_given(const sft_bundle *bundle, const sft_program_data *p, int64_t buffer) {
  for (int64_t i = 0; i < p->port_count; ++i) {
    if (p->ports[i].buffer == buffer && strcmp(p->ports[i].name, "targets") == 0) {
      return p->buffers[buffer].contents == SFT_ZEROS &&
             stays(bundle, &p->buffers[buffer], "targets");
    }
  }
  return false;
}

// Whether the numbers that say where a call reaches can only be right ones.
static bool indices_are_right(const sft_bundle *bundle, const sft_program_data *p,
                              const sft_call_record *call, const sft_reach *reach) {
  for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
    const int64_t buffer = call->buffers[slot].buffer;
    if (!(reach->indices >> slot & 1) || buffer < 0) continue;
    static const char *const columns[] = {"scatter_columns", "take_columns", "take_columns_bf16"};
    bool is_right = false;
    for (int i = 0; i < 3; ++i) {
      if (call->kernel == sft_kernel_row_named(columns[i])) {
        is_right = columns_are_there(bundle, &p->buffers[buffer], call, i == 0);
      }
    }
    if (call->kernel == sft_kernel_row_named("softmax_cross_entropy") ||
        call->kernel == sft_kernel_row_named("softmax_cross_entropy_bf16")) {
      is_right = targets_are_given(bundle, p, buffer);
    }
    if (!is_right) return false;
  }
  return true;
}

static sft_status check_calls(const sft_bundle *bundle, const sft_program_data *p, int64_t *sizes,
                              sft_error *error) {
  int64_t count;
  for (int64_t i = 0; i < p->buffer_count; ++i) sizes[i] = p->buffers[i].bytes;
  const sft_memory memory = {
      .sizes = sizes,
      .buffer_count = p->buffer_count,
      .kernels = sft_kernel_table(SFT_ISA_REFERENCE, &count),
      .scratch_stride = bundle->scratch_bytes,
      .sgemm = sft_sgemm_reference,
  };
  for (int64_t i = 0; i < p->call_count; ++i) {
    const sft_call_record *call = &p->calls[i];
    sft_reach reach;
    const sft_status status = sft_call_check(call, i, &memory, error);
    if (status != SFT_OK) return status;
    sft_kernel_reach(call->kernel, call->sizes, call->items, &reach);
    for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
      const int64_t buffer = call->buffers[slot].buffer;
      if (buffer < 0) continue;
      if (reach.bytes[slot] == 0) continue;
      if ((reach.written >> slot & 1) && p->buffers[buffer].place < 0) {
        return sft_fail(error, SFT_BAD_CALL, "call %lld writes to the checkpoint", (long long)i);
      }
    }
  }
  return SFT_OK;
}

static sft_status check_indices(const sft_bundle *bundle, const sft_program_data *p,
                                sft_error *error) {
  for (int64_t i = 0; i < p->call_count; ++i) {
    sft_reach reach;
    const sft_call_record *call = &p->calls[i];
    if (!sft_kernel_reach(call->kernel, call->sizes, call->items, &reach) ||
        !indices_are_right(bundle, p, call, &reach)) {
      return sft_fail(error, SFT_BAD_CALL, "call %lld reaches where numbers say that may be any",
                      (long long)i);
    }
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
  // Calls are held against buffers, and what says where they reach against the calls of all
  // programs.
  for (int role = 0; role < SFT_ROLES && status == SFT_OK; ++role) {
    const sft_program_data *p = &bundle->programs[role];
    int64_t *sizes = malloc((size_t)(p->buffer_count + 1) * sizeof *sizes);
    if (!sizes) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory to check a bundle");
    status = check_calls(bundle, p, sizes, error);
    free(sizes);
  }
  for (int role = 0; role < SFT_ROLES && status == SFT_OK; ++role) {
    status = check_indices(bundle, &bundle->programs[role], error);
  }
  return status;
}

int64_t sft_bundle_vocabulary(const sft_bundle *bundle) {
  const int64_t losses[] = {sft_kernel_row_named("softmax_cross_entropy"),
                            sft_kernel_row_named("softmax_cross_entropy_bf16")};
  int64_t least = INT32_MAX;
  for (int role = 0; role < SFT_ROLES; ++role) {
    const sft_program_data *p = &bundle->programs[role];
    for (int64_t i = 0; i < p->call_count; ++i) {
      const sft_call_record *call = &p->calls[i];
      if (call->kernel != losses[0] && call->kernel != losses[1]) continue;
      if (call->sizes[0] < least) least = call->sizes[0];
    }
  }
  return least;
}
