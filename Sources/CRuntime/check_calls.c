// What a bundle's calls may touch: none reaches outside its buffers, whatever numbers these hold.
#include <stdlib.h>

#include "bundle.h"
#include "error.h"
#include "sft_reach.h"

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
    const int32_t column = sft_number_at(b, first + i);
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
      .sgemm = sft_sgemm_of(SFT_ISA_REFERENCE),
  };
  for (int64_t i = 0; i < p->call_count; ++i) {
    const sft_call_record *call = &p->calls[i];
    sft_reach reach;
    const sft_status status = sft_call_check(call, i, &memory, error);
    if (status != SFT_OK) return status;
    sft_kernel_reach(call->kernel, call->sizes, call->items, &reach);
    for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
      const int64_t buffer = call->buffers[slot].buffer;
      if (buffer < 0 || reach.bytes[slot] == 0) continue;
      if (call->buffers[slot].offset % sft_element_size(p->buffers[buffer].element) != 0) {
        return sft_fail(error, SFT_BAD_CALL, "call %lld begins within an element", (long long)i);
      }
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

sft_status sft_check_calls(const sft_bundle *bundle, sft_error *error) {
  sft_status status = SFT_OK;
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
