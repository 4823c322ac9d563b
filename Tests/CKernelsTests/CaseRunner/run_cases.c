// Runs kernel cases that CaseFile.swift wrote, with the results of the plain loops, on every
// instruction set of this CPU, and says where results differ: run_cases FILE. Built by the tests
// for other compilers and CPUs.
#define _DEFAULT_SOURCE  // mmap
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sft_kernels.h"
#include "sft_reach.h"

enum { GUARD_BYTES = 128, GUARD_BYTE = 0xA5, MAX_KERNELS = 256 };

// The elements of a buffer, in the order of TestBuffer.Element; no buffer at all is -1.
typedef enum element { FLOAT, DOUBLE, BITS16, BITS8, INT32 } element;

typedef struct case_buffer {
  bool is_null;
  element element;
  int64_t alias;  // the slot whose memory it shares: its own, or another's
  int64_t count;  // bytes
  const char *before;
  // Of each `row` bytes the first `visible` count; `expected` holds only those. NULL: not compared.
  int64_t row, visible;
  const char *expected;
} case_buffer;

typedef struct kernel_case {
  const char *kernel, *label;
  int64_t items, scratch_bytes, buffer_count;
  double tolerance;
  sft_call call;
  case_buffer buffers[SFT_MAX_BUFFERS];
} kernel_case;

static kernel_case current;

static void fail(const char *problem) {
  fprintf(stderr, "%s %s: %s\n", current.kernel ? current.kernel : "",
          current.label ? current.label : "", problem);
  exit(2);
}

// ---- the file: numbers of 8 bytes, and bytes after their count

typedef struct reader {
  const char *at, *end;
} reader;

static const char *take(reader *r, int64_t count) {
  if (count < 0 || count > r->end - r->at) fail("the file ends early");
  const char *start = r->at;
  r->at += count;
  return start;
}

static int64_t take_integer(reader *r) {
  int64_t value;
  memcpy(&value, take(r, sizeof value), sizeof value);
  return value;
}

static double take_double(reader *r) {
  double value;
  memcpy(&value, take(r, sizeof value), sizeof value);
  return value;
}

// A count in front of that many things.
static int64_t take_count(reader *r, int64_t limit) {
  int64_t count = take_integer(r);
  if (count < 0 || count > limit) fail("the file has a count out of range");
  return count;
}

static void take_buffer(reader *r, case_buffer *b) {
  int64_t kind = take_integer(r);
  *b = (case_buffer){.is_null = kind < 0};
  if (b->is_null) return;
  b->element = (element)kind;
  b->alias = take_count(r, SFT_MAX_BUFFERS - 1);
  b->count = take_integer(r);
  b->before = take(r, b->count);
  bool is_compared = take_integer(r);
  if (!is_compared) return;
  b->row = take_integer(r);
  b->visible = take_integer(r);
  b->expected = take(r, b->row == 0 ? 0 : b->count / b->row * b->visible);
}

static void take_case(reader *r, kernel_case *c) {
  memset(c, 0, sizeof *c);
  c->kernel = take(r, take_integer(r));  // texts end with a zero
  c->label = take(r, take_integer(r));
  c->items = take_integer(r);
  c->scratch_bytes = take_integer(r);
  c->tolerance = take_double(r);
  int64_t sizes = take_count(r, SFT_MAX_SIZES);
  for (int64_t i = 0; i < sizes; ++i) c->call.sizes[i] = take_integer(r);
  int64_t scalars = take_count(r, SFT_MAX_SCALARS);
  for (int64_t i = 0; i < scalars; ++i) c->call.scalars[i] = (float)take_double(r);
  c->buffer_count = take_count(r, SFT_MAX_BUFFERS);
  for (int64_t i = 0; i < c->buffer_count; ++i) take_buffer(r, &c->buffers[i]);
  c->call.sgemm = sft_sgemm_reference;
}

static reader read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) fail("the file can't be read");
  long size = ftell(file);
  rewind(file);
  char *bytes = malloc((size_t)size + 1);
  if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
    fail("the file can't be read");
  }
  fclose(file);
  return (reader){bytes, bytes + size};
}

// ---- memory between guard zones, as GuardedMemory has it

typedef struct guarded {
  unsigned char *base;
  int64_t offset, count;
} guarded;

// Buffers start 8 bytes past a 64-byte boundary, scratch on it.
static guarded guard(int64_t count, bool is_aligned) {
  guarded g = {NULL, GUARD_BYTES + (is_aligned ? 0 : 8), count};
  size_t total = (size_t)(g.offset + count + GUARD_BYTES);
  g.base = aligned_alloc(64, (total + 63) / 64 * 64);
  if (!g.base) fail("no memory");
  memset(g.base, GUARD_BYTE, total);
  return g;
}

static bool is_intact(const guarded *g) {
  const unsigned char *behind = g->base + g->offset + g->count;
  for (int64_t i = 0; i < g->offset; ++i) {
    if (g->base[i] != GUARD_BYTE) return false;
  }
  for (int64_t i = 0; i < GUARD_BYTES; ++i) {
    if (behind[i] != GUARD_BYTE) return false;
  }
  return true;
}

// ---- comparison, as TestBuffer.error

static int64_t element_bytes(element element) {
  return element == DOUBLE ? 8 : element == BITS16 ? 2 : element == BITS8 ? 1 : 4;
}

static double number_at(const char *at, element element) {
  union {
    float f;
    double d;
    uint32_t word;
    uint16_t half;
    int8_t byte;
    int32_t integer;
  } value = {0};
  memcpy(&value, at, (size_t)element_bytes(element));
  switch (element) {
    case FLOAT:
      return value.f;
    case DOUBLE:
      return value.d;
    case BITS16:
      value.word = (uint32_t)value.half << 16;
      return value.f;
    case BITS8:
      return value.byte;
    case INT32:
      return value.integer;
  }
  return NAN;
}

// The largest |found − expected| / (1 + |expected|); NaN equals NaN only.
static double largest_error(const case_buffer *b, const char *found) {
  const char *expected = b->expected;
  const int64_t step = element_bytes(b->element);
  double worst = 0;
  for (int64_t row = 0; row < b->count; row += b->row) {
    for (int64_t at = 0; at < b->visible; at += step, expected += step) {
      double x = number_at(found + row + at, b->element), y = number_at(expected, b->element);
      if ((isnan(x) && isnan(y)) || x == y) continue;
      double error = fabs(x - y) / (1 + fabs(y));
      worst = isnan(error) ? INFINITY : fmax(worst, error);
    }
  }
  return worst;
}

// ---- cases

// The largest error of a case, infinity if anything outside its buffers was written.
static double run_case(const kernel_case *c, sft_kernel function) {
  guarded memory[SFT_MAX_BUFFERS], scratch = guard(c->scratch_bytes, true);
  sft_call call = c->call;
  memset(scratch.base + scratch.offset, 0xFF, (size_t)scratch.count);
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    const case_buffer *b = &c->buffers[i];
    memory[i] = guard(b->count, false);
    if (b->count > 0) memcpy(memory[i].base + memory[i].offset, b->before, (size_t)b->count);
  }
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    const guarded *shared = &memory[c->buffers[i].alias];
    if (!c->buffers[i].is_null) call.buffers[i] = shared->base + shared->offset;
  }
  function(&call, 0, c->items, scratch.base + scratch.offset);
  double worst = is_intact(&scratch) ? 0 : INFINITY;
  free(scratch.base);
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    const case_buffer *b = &c->buffers[i];
    const char *found = (const char *)memory[i].base + memory[i].offset;
    if (!is_intact(&memory[i])) worst = INFINITY;
    if (b->expected) worst = fmax(worst, largest_error(b, found));
    free(memory[i].base);
  }
  return worst;
}

// ---- reach: every buffer ends, where the call's reach does, at a page that nobody may touch

enum { EDGE_BYTES = 1 << 26 };

// The page behind the memory of a slot, scratch being the last one.
static char *edge_of(int slot) {
  static char *edges[SFT_MAX_BUFFERS + 1];
  if (edges[slot]) return edges[slot];
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *start = mmap(NULL, EDGE_BYTES + page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED || mprotect(start + EDGE_BYTES, page, PROT_NONE) != 0) fail("no memory");
  return edges[slot] = start + EDGE_BYTES;
}

// Whether a call's reach lies within the buffers it is made for, as it has to wherever calls are
// checked before they run.
static bool fits(const kernel_case *c, const sft_reach *reach) {
  if (c->items > reach->items || reach->scratch > c->scratch_bytes) return false;
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    const case_buffer *b = &c->buffers[i];
    const bool may_be_null = reach->bytes[i] == 0 || (reach->optional >> i & 1);
    if (b->is_null ? !may_be_null : reach->bytes[i] > b->count) return false;
  }
  return true;
}

// Runs a case in no more memory than its reach; a call that goes beyond crashes. False if it writes
// to a buffer that it only reads.
static bool run_at_edge(const kernel_case *c, sft_kernel function, const sft_reach *reach) {
  sft_call call = c->call;
  char *places[SFT_MAX_BUFFERS];
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    int64_t bytes = reach->bytes[i];
    for (int64_t j = 0; j < c->buffer_count; ++j) {
      if (c->buffers[j].alias == i && reach->bytes[j] > bytes) bytes = reach->bytes[j];
    }
    // Where the call's reach depends on what a buffer holds, its others may be needed whole.
    if (reach->indices || bytes > c->buffers[i].count) bytes = c->buffers[i].count;
    if (bytes > EDGE_BYTES) fail("too large for the edge");
    places[i] = edge_of((int)i) - bytes;
    if (!c->buffers[i].is_null) memcpy(places[i], c->buffers[i].before, (size_t)bytes);
  }
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    if (!c->buffers[i].is_null) call.buffers[i] = places[c->buffers[i].alias];
  }
  function(&call, 0, c->items, edge_of(SFT_MAX_BUFFERS) - (reach->scratch + 63) / 64 * 64);
  uint32_t written = 0;
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    if (reach->written >> i & 1) written |= 1u << c->buffers[i].alias;
  }
  for (int64_t i = 0; i < c->buffer_count; ++i) {
    const case_buffer *b = &c->buffers[i];
    const size_t bytes = (size_t)(edge_of((int)i) - places[i]);
    if (b->is_null || (written >> i & 1)) continue;
    if (memcmp(places[i], b->before, bytes) != 0) return false;
  }
  return true;
}

static int64_t kernel_index(const sft_kernel_row *table, int64_t count, const char *name) {
  for (int64_t i = 0; i < count; ++i) {
    if (strcmp(table[i].name, name) == 0) return i;
  }
  fail("no such kernel");
  return -1;
}

// Runs all cases on an instruction set, prints how they went, and returns how many failed.
static int64_t run_all(sft_isa isa, reader file) {
  double errors[MAX_KERNELS] = {0};
  int64_t failures[MAX_KERNELS] = {0}, kernels, failed = 0;
  const sft_kernel_row *table = sft_kernel_table(isa, &kernels);
  if (kernels > MAX_KERNELS) fail("too many kernels");
  const int64_t cases = take_integer(&file);
  for (int64_t i = 0; i < cases; ++i) {
    take_case(&file, &current);
    int64_t index = kernel_index(table, kernels, current.kernel);
    double error = run_case(&current, table[index].function);
    sft_reach reach;
    if (!sft_kernel_reach(index, current.call.sizes, current.items, &reach) ||
        !fits(&current, &reach) || !run_at_edge(&current, table[index].function, &reach)) {
      error = INFINITY;
    }
    errors[index] = fmax(errors[index], error);
    if (error <= current.tolerance) continue;
    if (failures[index]++ == 0) printf("%s %s\n", current.kernel, current.label);
    ++failed;
  }
  printf("%s: %lld cases, %lld failed\n", sft_isa_name(isa), (long long)cases, (long long)failed);
  for (int64_t i = 0; i < kernels; ++i) {
    if (failures[i] == 0 && !getenv("SPARSEFT_PRINT_ERRORS")) continue;
    printf("observed error %s %g, %lld failed\n", table[i].name, errors[i], (long long)failures[i]);
  }
  return cases == 0 ? 1 : failed;
}

// Says which case a signal came from.
static void on_signal(int number) {
  const char *texts[] = {"crash in ", current.kernel, " ", current.label, "\n"};
  for (int i = 0; i < 5; ++i) {
    if (texts[i] && write(2, texts[i], strlen(texts[i])) < 0) break;
  }
  _exit(128 + number);
}

int main(int count, char **words) {
  if (count != 2) fail("usage: run_cases FILE");
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  for (int i = 0; i < 5; ++i) signal(signals[i], on_signal);
  const reader file = read_file(words[1]);
  int64_t failed = 0;
  for (sft_isa isa = SFT_ISA_PORTABLE; isa < SFT_ISA_COUNT; ++isa) {
    if (sft_isa_supported(isa)) failed += run_all(isa, file);
  }
  return failed == 0 ? 0 : 1;
}
