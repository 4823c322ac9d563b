// Opens all that a run needs: files, memory, threads.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "stages.h"

// What a process is thought to take beside the arena and the weights that are mapped.
enum { RUNTIME_BYTES = 1 << 20 };

// As in Storage/FolderLock.
static const char LOCK[] = ".sparseft.lock";

void sft_run_path(const sft_run *run, const char *name, char path[1024]) {
  snprintf(path, 1024, "%s/%s", run->options->output, name);
}

static sft_status open_files(sft_run *run) {
  const sft_options *o = run->options;
  sft_error *error = &run->error;
  sft_status status = sft_map(o->bundle, &run->bundle_file, error);
  if (status != SFT_OK) return status;
  status = sft_bundle_open(run->bundle_file.bytes, run->bundle_file.size, &run->bundle, error);
  if (status != SFT_OK) return status;
  run->settings = sft_bundle_settings(run->bundle);
  // The text is beside the bundle, under its name.
  const char *dot = strrchr(o->bundle, '.');
  const int stem = dot && !strchr(dot, '/') ? (int)(dot - o->bundle) : (int)strlen(o->bundle);
  snprintf(run->text_path, sizeof run->text_path, "%.*s.sftokens", stem < 1000 ? stem : 1000,
           o->bundle);
  status = sft_map(o->text ? o->text : run->text_path, &run->text_file, error);
  if (status != SFT_OK) return status;
    // What is made of a text that only its owner may read is only for the owner too.
#ifndef __wasi__
  if (run->text_file.is_private) umask(077);
#endif
  status = sft_text_open(run->text_file.bytes, run->text_file.size, run->bundle, &run->text, error);
  if (status != SFT_OK) return status;
  sft_release_pages(run->bundle_file.bytes, run->bundle_file.size);
  sft_release_pages(run->text_file.bytes, run->text_file.size);
  status = sft_map(o->model, &run->model_file, error);
  if (status != SFT_OK) return status;
  return sft_bundle_check(run->bundle, run->model_file.bytes, run->model_file.size,
                          sft_release_pages, error);
}

static sft_status open_step(sft_run *run) {
  const int64_t threads =
      run->options->threads > 0 ? run->options->threads : run->settings->threads;
  run->isa = sft_isa_best();
  if (!sft_isa_supported(run->isa)) {
    return sft_fail(&run->error, SFT_BAD_CALL,
                    "this processor does not have %s; build with another ISA",
                    sft_isa_name(run->isa));
  }
  sft_status status = sft_pool_open(threads, &run->pool, &run->error);
  if (status != SFT_OK) return status;
  const int64_t bytes = sft_bundle_arena_bytes(run->bundle, threads);
  run->arena = sft_take_memory(bytes);
  if (!run->arena) {
    return sft_fail(&run->error, SFT_OUT_OF_MEMORY, "no memory for an arena of %lld bytes",
                    (long long)bytes);
  }
  run->planned_bytes = bytes + sft_bundle_mapped_bytes(run->bundle) + RUNTIME_BYTES;
  status = sft_step_bind(run->bundle, run->model_file.bytes, sft_release_pages, run->pool, run->isa,
                         run->arena, &run->step, &run->error);
  // From now on only what steps read of the model is in memory.
  sft_release_pages(run->model_file.bytes, run->model_file.size);
  return status;
}

// A port of a batch's tokens, which the frozen blocks have where the step has not.
static sft_status find_port(sft_run *run, const char *name, bool is_prefixs, int32_t **memory) {
  int64_t count;
  const bool has_prefix = is_prefixs && sft_step_program(run->step, SFT_PREFIX) != NULL;
  *memory = sft_step_port(run->step, has_prefix ? SFT_PREFIX : SFT_TRAINING, name, &count);
  if (*memory && count == run->settings->windows * run->settings->tokens) return SFT_OK;
  return sft_fail(&run->error, SFT_BAD_FILE, "the bundle has no '%s' of its batches' size", name);
}

static sft_status open_batches(sft_run *run) {
  sft_status status = find_port(run, "tokens", true, &run->tokens);
  if (status == SFT_OK) status = find_port(run, "targets", false, &run->targets);
  if (status == SFT_OK) status = find_port(run, "document_starts", true, &run->starts);
  if (status != SFT_OK) return status;
  run->rows = calloc((size_t)run->settings->windows, sizeof *run->rows);
  if (!run->rows) return sft_fail(&run->error, SFT_OUT_OF_MEMORY, "no memory for a batch");
  status = sft_order_open(sft_text_windows(run->text, SFT_TRAINED_TEXT), run->settings, &run->order,
                          &run->error);
  if (status != SFT_OK) return status;
  return sft_store_open(run->step, run->text, &run->store, &run->error);
}

// Makes a folder, unless it is there.
static sft_status make_folder(sft_run *run, const char *name) {
  char path[1024];
  sft_run_path(run, name, path);
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return SFT_OK;
  return sft_fail(&run->error, SFT_CANT_WRITE, "making '%.150s': %s", path, strerror(errno));
}

static sft_status open_output(sft_run *run) {
  char path[1024], state[1024];
  sft_run_path(run, "last/state.sfstate", state);
  const bool resumes = run->options->resumes;
  if (resumes && access(state, F_OK) != 0) {
    return sft_fail(&run->error, SFT_CANT_READ, "there is nothing to resume from: no '%.150s'",
                    state);
  }
  sft_status status = make_folder(run, "");
  if (status != SFT_OK) return status;
  sft_run_path(run, LOCK, path);
  if ((run->lock = sft_hold(path)) < 0) {
    const int reason = errno;
    return reason == EWOULDBLOCK
               ? sft_fail(&run->error, SFT_CANT_WRITE, "another process works in '%.150s'",
                          run->options->output)
               : sft_fail(&run->error, SFT_CANT_WRITE, "making '%.150s': %s", path,
                          strerror(reason));
  }
  sft_run_path(run, "pending", path);
  if (resumes && access(path, F_OK) == 0) {
    return sft_fail(
        &run->error, SFT_WRONG_STATE,
        "validations of a probe are due in '%.120s'; sparseft finetune --resume does them", path);
  }
  if (!resumes && access(state, F_OK) == 0) {
    return sft_fail(&run->error, SFT_CANT_WRITE,
                    "'%.120s' holds a run: --resume goes on with it, --output names another folder",
                    run->options->output);
  }
  if (resumes) status = sft_read_back(run);
  if (status != SFT_OK) return status;
  if (resumes) {
    run->saved_step = run->progress.step;
    run->earlier_seconds = run->progress.elapsed_seconds;
  }
  status = make_folder(run, "best");
  return status == SFT_OK ? make_folder(run, "last") : status;
}

sft_status sft_run_open(sft_run *run, const sft_options *options) {
  memset(run, 0, sizeof *run);
  run->options = options;
  run->events = run->lock = -1;
  run->saved_step = -1;
  run->started = sft_seconds();
  run->progress.initial_loss = run->progress.best_loss = run->progress.last_loss = strtod("nan", 0);
  run->progress.rate_factor = 1;
  sft_status status = open_files(run);
  if (status == SFT_OK) status = open_step(run);
  if (status == SFT_OK) status = open_batches(run);
  if (status == SFT_OK) status = open_output(run);
  if (status == SFT_OK) status = sft_events_open(run);
  if (status != SFT_OK) return status;
  const bool is_cut = options->steps >= 0 && options->steps < run->settings->steps;
  run->steps = is_cut ? options->steps : run->settings->steps;
  run->cache = sft_cache_open(run->step, run->bundle, run->text, run->rows, options->output);
  return SFT_OK;
}

void sft_run_close(sft_run *run) {
  char path[1024];
  sft_run_path(run, LOCK, path);
  sft_let_go(path, run->lock);
  sft_cache_close(run->cache);
  sft_store_close(run->store);
  sft_order_close(run->order);
  free(run->rows);
  sft_step_close(run->step);
  sft_pool_close(run->pool);
  sft_text_close(run->text);
  sft_bundle_close(run->bundle);
  free(run->arena);
  sft_unmap(&run->model_file);
  sft_unmap(&run->text_file);
  sft_unmap(&run->bundle_file);
  if (run->events >= 0) close(run->events);
}
