// Steps: a bundle's programs bound to weights, an arena and threads.
#include "step.h"

#include <math.h>
#include <stdlib.h>

#include "bundle.h"
#include "contents.h"
#include "error.h"
#include "release.h"

struct sft_step {
  const sft_bundle *bundle;
  char *arena;
  const void *checkpoint;
  sft_release *release;
  sft_program *programs[SFT_ROLES];
  sft_prefix_keeper keeper;
  bool keeps_prefix;
};

const sft_bundle *sft_step_bundle(const sft_step *step) { return step->bundle; }

char *sft_step_arena(const sft_step *step) { return step->arena; }

static const char CHECKPOINT_MAGIC[8] = {'S', 'F', 'C', 'K', 'P', 'T', '\r', '\n'};

sft_status sft_bundle_check(const sft_bundle *bundle, const void *checkpoint, int64_t size,
                            sft_release *release, sft_error *error) {
  const uint8_t *bytes = checkpoint;
  sft_preamble preamble;
  const sft_status status =
      sft_take_preamble(bytes, size, CHECKPOINT_MAGIC, "checkpoint", &preamble, error);
  if (status != SFT_OK) return status;
  if (size != bundle->checkpoint_bytes ||
      memcmp(preamble.digest, bundle->checkpoint_digest, SFT_DIGEST_BYTES) != 0) {
    return sft_fail(error, SFT_WRONG_CHECKPOINT,
                    "the bundle was made for another checkpoint than this one");
  }
  sft_sha256 hash;
  uint8_t digest[SFT_DIGEST_BYTES];
  sft_sha256_start(&hash);
  for (int64_t at = 0; at < size; at += SFT_READ_BYTES) {
    const int64_t first = at > 0 ? at : SFT_PREAMBLE_BYTES;
    const int64_t end = size - at < SFT_READ_BYTES ? size : at + SFT_READ_BYTES;
    sft_sha256_update(&hash, bytes + first, (size_t)(end - first));
    sft_release_around(release, bytes, size, at, end);
  }
  sft_sha256_finish(&hash, digest);
  if (memcmp(digest, preamble.digest, sizeof digest) == 0) return SFT_OK;
  return sft_fail(error, SFT_BAD_FILE, "the checkpoint is damaged: its hash is another one");
}

// Where a buffer lies: in the arena, or where the checkpoint has its rows or their scales.
static char *address_of(const sft_bundle *bundle, const sft_buffer *b, const char *checkpoint,
                        char *arena) {
  if (b->place >= 0) return arena + b->place;
  const sft_tensor *t = &bundle->tensors[b->tensor];
  // Calls take pointers that they may write through; the check has seen that none writes here.
  char *file = (char *)(uintptr_t)checkpoint;
  if (b->contents == SFT_SCALES) return file + t->scales_offset + 4 * b->first_row;
  return file + t->offset + b->first_row * t->width * sft_element_size(t->type);
}

static sft_status bind_calls(const sft_program_data *p, const sft_memory *memory, sft_pool *pool,
                             sft_program **program, sft_error *error) {
  sft_status status = sft_program_open(pool, p->call_count, program, error);
  for (int64_t i = 0; i < p->call_count && status == SFT_OK; ++i) {
    status = sft_program_add(*program, memory, &p->calls[i], error);
  }
  return status;
}

static sft_status bind_program(sft_step *step, int role, const char *checkpoint, sft_pool *pool,
                               sft_isa isa, sft_error *error) {
  const sft_program_data *p = &step->bundle->programs[role];
  const size_t count = (size_t)p->buffer_count + 1;
  void **addresses = malloc(count * sizeof *addresses);
  int64_t *sizes = malloc(count * sizeof *sizes), rows;
  sft_status status = SFT_OUT_OF_MEMORY;
  if (addresses && sizes) {
    for (int64_t i = 0; i < p->buffer_count; ++i) {
      addresses[i] = address_of(step->bundle, &p->buffers[i], checkpoint, step->arena);
      sizes[i] = p->buffers[i].bytes;
    }
    const sft_memory memory = {
        .addresses = addresses,
        .sizes = sizes,
        .buffer_count = p->buffer_count,
        .kernels = sft_kernel_table(isa, &rows),
        .scratch = step->arena + (step->bundle->arena_bytes + 63) / 64 * 64,
        .scratch_stride = step->bundle->scratch_bytes,
        .sgemm = sft_sgemm_of(isa),
    };
    status = bind_calls(p, &memory, pool, &step->programs[role], error);
  } else {
    sft_fail(error, status, "no memory to bind a program");
  }
  free(addresses);
  free(sizes);
  return status;
}

sft_status sft_step_open(const sft_bundle *bundle, const void *checkpoint, int64_t checkpoint_bytes,
                         sft_pool *pool, sft_isa isa, void *arena, sft_step **step,
                         sft_error *error) {
  *step = NULL;
  const sft_status status = sft_bundle_check(bundle, checkpoint, checkpoint_bytes, NULL, error);
  if (status != SFT_OK) return status;
  return sft_step_bind(bundle, checkpoint, NULL, pool, isa, arena, step, error);
}

sft_status sft_step_bind(const sft_bundle *bundle, const void *checkpoint, sft_release *release,
                         sft_pool *pool, sft_isa isa, void *arena, sft_step **step,
                         sft_error *error) {
  sft_status status = SFT_OK;
  *step = NULL;
  sft_step *made = calloc(1, sizeof *made);
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for a step");
  made->bundle = bundle;
  made->arena = arena;
  made->checkpoint = checkpoint;
  made->release = release;
  for (int role = 0; role < SFT_ROLES && status == SFT_OK; ++role) {
    if (!bundle->programs[role].is_there) continue;
    status = bind_program(made, role, checkpoint, pool, isa, error);
  }
  if (status != SFT_OK) {
    sft_step_close(made);
    return status;
  }
  sft_step_restart(made);
  *step = made;
  return SFT_OK;
}

void sft_step_restart(sft_step *step) {
  // The frozen blocks first, as what they keep is the training program's as well.
  static const int order[] = {SFT_PREFIX, SFT_TRAINING};
  for (int i = 0; i < 2; ++i) {
    const sft_program_data *p = &step->bundle->programs[order[i]];
    if (!p->is_there) continue;
    sft_fill_program(step->bundle, p, step->checkpoint, step->release, step->arena);
  }
}

void sft_step_close(sft_step *step) {
  if (!step) return;
  for (int role = 0; role < SFT_ROLES; ++role) sft_program_close(step->programs[role]);
  free(step);
}

sft_program *sft_step_program(const sft_step *step, sft_role role) { return step->programs[role]; }

void *sft_step_port(const sft_step *step, sft_role role, const char *name, int64_t *count) {
  const sft_program_data *p = &step->bundle->programs[role];
  *count = 0;
  for (int64_t i = 0; i < p->port_count; ++i) {
    if (strcmp(p->ports[i].name, name) != 0) continue;
    const sft_buffer *b = &p->buffers[p->ports[i].buffer];
    *count = b->bytes / 4;
    return step->arena + b->place;
  }
  return NULL;
}

int64_t sft_tokens_per_step(const sft_settings *s) {
  return s->windows * s->tokens * s->accumulation;
}

double sft_rate(const sft_settings *s, int64_t number) {
  const int64_t before_last = s->steps > 1 ? s->steps - 1 : 0;
  const int64_t warmup = s->warmup_steps < before_last ? s->warmup_steps : before_last;
  if (number <= warmup) return s->peak_rate * (double)number / (double)(warmup + 1);
  const int64_t span = s->steps - warmup - 1 > 1 ? s->steps - warmup - 1 : 1;
  const double progress = fmin(1, (double)(number - warmup - 1) / (double)span);
  if (s->curve == 2) return s->peak_rate;
  if (s->curve == 1) return s->peak_rate * (1 - (1 - s->final_ratio) * progress);
  const double pi = 3.14159265358979323846;
  return s->peak_rate * (s->final_ratio + (1 - s->final_ratio) * (1 + cos(pi * progress)) / 2);
}

void sft_step_begin(sft_step *step, int64_t number, double rate, int64_t scored) {
  const sft_settings *s = &step->bundle->settings;
  int64_t slots, one;
  float *hyper = sft_step_port(step, SFT_TRAINING, "hyper", &slots);
  float *scale = sft_step_port(step, SFT_TRAINING, "loss_scale", &one);
  if (hyper && slots >= 8) {
    hyper[0] = (float)rate;
    hyper[1] = (float)(s->first_beta > 0 ? 1 - pow(s->first_beta, (double)number) : 1);
    hyper[2] = (float)(s->second_beta > 0 ? 1 - pow(s->second_beta, (double)number) : 1);
    hyper[3] = 1;
    hyper[6] = (float)number;
  }
  if (scale && one >= 1) scale[0] = scored > 0 ? 1 / (float)scored : 0;
  sft_program_reset_seconds(step->programs[SFT_TRAINING]);
  sft_program_run(step->programs[SFT_TRAINING], SFT_BEGIN);
}

void sft_step_keep_prefix(sft_step *step, const sft_prefix_keeper *keeper) {
  step->keeps_prefix = keeper != NULL;
  if (keeper) step->keeper = *keeper;
}

float *sft_step_prefix_input(const sft_step *step, int64_t index, int64_t *count) {
  const sft_program_data *training = &step->bundle->programs[SFT_TRAINING];
  *count = 0;
  if (!step->programs[SFT_PREFIX]) return NULL;
  for (int64_t i = 0; i < training->port_count; ++i) {
    const char *name = training->ports[i].name;
    if (strncmp(name, "stream[", 7) != 0 || index-- > 0) continue;
    return sft_step_port(step, SFT_TRAINING, name, count);
  }
  return index == 0 ? sft_step_port(step, SFT_TRAINING, "prefix", count) : NULL;
}

// Provides the frozen blocks' outputs, where there are any, at the step's inputs: those of lower
// blocks are written there by the blocks themselves.
static void run_prefix(sft_step *step) {
  int64_t count, wanted;
  if (!step->programs[SFT_PREFIX]) return;
  if (step->keeps_prefix && step->keeper.read(step->keeper.context)) return;
  sft_program_run(step->programs[SFT_PREFIX], SFT_BODY);
  const float *from = sft_step_port(step, SFT_PREFIX, "prefix", &count);
  float *to = sft_step_port(step, SFT_TRAINING, "prefix", &wanted);
  if (!from || !to) return;
  if (count > wanted) count = wanted;
  memmove(to, from, (size_t)count * sizeof *to);
  float *input;
  for (int64_t i = 0; (input = sft_step_prefix_input(step, i, &count)) != NULL; ++i) {
    if (step->bundle->settings.rounds_prefix) sft_round_to_bf16(input, count);
  }
  if (step->keeps_prefix) step->keeper.write(step->keeper.context);
}

static double loss_of(const sft_step *step, sft_role role) {
  int64_t count;
  double sum = 0;
  const float *losses = sft_step_port(step, role, "loss", &count);
  for (int64_t i = 0; losses && i < count; ++i) sum += (double)losses[i];
  return sum;
}

double sft_step_run_batch(sft_step *step) {
  run_prefix(step);
  sft_program_run(step->programs[SFT_TRAINING], SFT_BODY);
  return loss_of(step, SFT_TRAINING);
}

double sft_step_finish(sft_step *step) {
  int64_t slots;
  sft_program_run(step->programs[SFT_TRAINING], SFT_FINISH);
  const float *hyper = sft_step_port(step, SFT_TRAINING, "hyper", &slots);
  return hyper && slots >= 8 ? (double)hyper[4] : 0;
}

double sft_step_score(sft_step *step) {
  run_prefix(step);
  sft_program_run(step->programs[SFT_VALIDATION], SFT_BEGIN);
  sft_program_run(step->programs[SFT_VALIDATION], SFT_BODY);
  return loss_of(step, SFT_VALIDATION);
}
