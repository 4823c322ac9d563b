// Programs: calls bound to addresses once, and run in order.
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "sft_reach.h"

// Bounds that keep the arithmetic of slices within 64 bits.
#define SFT_MOST_ITEMS ((int64_t)1 << 44)
#define SFT_MOST_SLICES ((int64_t)1 << 10)

typedef struct bound_call {
  sft_call call;
  sft_job job;
  sft_phase phase;
  sft_part part;
} bound_call;

struct sft_program {
  sft_pool *pool;
  double seconds[SFT_PHASES];
  int64_t capacity, count;
  bound_call calls[];
};

double sft_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool can_be_shared_out(const sft_call_record *record) {
  return record->items >= 0 && record->items <= SFT_MOST_ITEMS && record->grain > 0 &&
         record->grain <= SFT_MOST_ITEMS && record->slices > 0 && record->slices <= SFT_MOST_SLICES;
}

// Whether a call may begin at a view of a buffer and reach that many bytes.
static bool holds(const sft_memory *memory, sft_view view, int64_t bytes) {
  if (view.buffer < 0 || view.buffer >= memory->buffer_count) return false;
  const int64_t size = memory->sizes[view.buffer];
  return view.offset >= 0 && view.offset <= size && bytes <= size - view.offset;
}

sft_status sft_call_check(const sft_call_record *record, int64_t index, const sft_memory *memory,
                          sft_error *error) {
  const long long number = index;
  sft_reach reach;
  if (!can_be_shared_out(record) ||
      !sft_kernel_reach(record->kernel, record->sizes, record->items, &reach)) {
    return sft_fail(error, SFT_BAD_CALL,
                    "call %lld, of kernel %lld, has %lld items in ranges of %lld, %lld a thread",
                    number, (long long)record->kernel, (long long)record->items,
                    (long long)record->grain, (long long)record->slices);
  }
  const char *name = memory->kernels[record->kernel].name;
  if (!name) {
    return sft_fail(error, SFT_BAD_CALL, "call %lld is of kernel %lld, which was not built in",
                    number, (long long)record->kernel);
  }
  if (record->items > reach.items || reach.scratch > memory->scratch_stride) {
    return sft_fail(error, SFT_BAD_CALL,
                    "call %lld, %s, has %lld items of %lld and %lld bytes of scratch of %lld",
                    number, name, (long long)record->items, (long long)reach.items,
                    (long long)memory->scratch_stride, (long long)reach.scratch);
  }
  for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
    const sft_view view = record->buffers[slot];
    const bool may_be_null = reach.bytes[slot] == 0 || (reach.optional >> slot & 1);
    if (view.buffer == -1 ? may_be_null : holds(memory, view, reach.bytes[slot])) continue;
    return sft_fail(error, SFT_BAD_CALL,
                    "call %lld, %s, needs %lld bytes from %lld of buffer %lld, its operand %d",
                    number, name, (long long)reach.bytes[slot], (long long)view.offset,
                    (long long)view.buffer, slot);
  }
  return SFT_OK;
}

static sft_status bind(const sft_call_record *record, int64_t index, const sft_memory *memory,
                       bound_call *bound, sft_error *error) {
  const sft_status status = sft_call_check(record, index, memory, error);
  if (status != SFT_OK) return status;
  for (int slot = 0; slot < SFT_MAX_BUFFERS; ++slot) {
    const sft_view view = record->buffers[slot];
    if (view.buffer == -1) continue;
    bound->call.buffers[slot] = (char *)memory->addresses[view.buffer] + view.offset;
  }
  memcpy(bound->call.sizes, record->sizes, sizeof record->sizes);
  memcpy(bound->call.scalars, record->scalars, sizeof record->scalars);
  bound->call.sgemm = memory->sgemm;
  bound->job = (sft_job){
      .function = memory->kernels[record->kernel].function,
      .call = &bound->call,
      .items = record->items,
      .grain = record->grain,
      .slices = record->slices,
      .scratch = memory->scratch,
      .scratch_stride = memory->scratch_stride,
  };
  bound->phase = record->phase;
  bound->part = record->part;
  return SFT_OK;
}

sft_status sft_program_open(sft_pool *pool, int64_t capacity, sft_program **program,
                            sft_error *error) {
  sft_program *made = NULL;
  *program = NULL;
  if (capacity >= 0 && (uint64_t)capacity <= (SIZE_MAX - sizeof *made) / sizeof *made->calls) {
    made = calloc(1, sizeof *made + (size_t)capacity * sizeof *made->calls);
  }
  if (!made) {
    return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for %lld calls", (long long)capacity);
  }
  made->pool = pool;
  made->capacity = capacity;
  *program = made;
  return SFT_OK;
}

sft_status sft_program_add(sft_program *program, const sft_memory *memory,
                           const sft_call_record *record, sft_error *error) {
  const int64_t index = program->count;
  if (index >= program->capacity) {
    return sft_fail(error, SFT_BAD_CALL, "more calls than the %lld announced",
                    (long long)program->capacity);
  }
  sft_status status = bind(record, index, memory, &program->calls[index], error);
  if (status == SFT_OK) ++program->count;
  return status;
}

void sft_program_close(sft_program *program) { free(program); }

void sft_program_run(sft_program *program, sft_part part) {
  sft_phase phase = SFT_FORWARD;
  double start = sft_seconds();
  for (int64_t i = 0; i < program->count; ++i) {
    const bound_call *bound = &program->calls[i];
    if (bound->part != part) continue;
    if (bound->phase != phase) {
      double now = sft_seconds();
      program->seconds[phase] += now - start;
      phase = bound->phase;
      start = now;
    }
    sft_pool_run(program->pool, &bound->job);
  }
  program->seconds[phase] += sft_seconds() - start;
}

void sft_program_run_call(sft_program *program, int64_t index) {
  sft_pool_run(program->pool, &program->calls[index].job);
}

const double *sft_program_seconds(const sft_program *program) { return program->seconds; }

void sft_program_reset_seconds(sft_program *program) {
  memset(program->seconds, 0, sizeof program->seconds);
}
