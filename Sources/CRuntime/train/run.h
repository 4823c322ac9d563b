// A training run: its steps, validations and snapshots, in the order in which `sparseft finetune`
// takes them, with an event for each.
#ifndef SFT_TRAIN_RUN_H
#define SFT_TRAIN_RUN_H

#include "cache.h"
#include "files.h"
#include "json.h"
#include "trend.h"

// Systems without signals are asked to stop by nobody.
#ifdef SFT_NO_SIGNALS
typedef int sft_signal;
#else
#include <signal.h>
typedef sig_atomic_t sft_signal;
#endif

// How the program was called.
typedef struct sft_options {
  const char *bundle, *model, *text, *output;
  int64_t steps;    // −1: those of the bundle
  int64_t threads;  // 0: those of the bundle
  bool resumes;
} sft_options;

// Why a run ended.
typedef enum sft_end { SFT_FINISHED, SFT_STOPPED_EARLY, SFT_INTERRUPTED } sft_end;

typedef struct sft_run {
  const sft_options *options;
  sft_bundle *bundle;
  const sft_settings *settings;
  sft_text *text;
  sft_order *order;
  sft_pool *pool;
  sft_step *step;
  sft_store *store;
  sft_cache *cache;
  sft_mapping bundle_file, text_file, model_file;
  char text_path[1024];
  void *arena;
  sft_isa isa;
  int64_t planned_bytes;
  // Those after which it ends.
  int64_t steps;
  sft_progress progress;
  sft_trend trend;
  // The step of the state on the disk; −1: none.
  int64_t saved_step;
  double started, earlier_seconds;
  // Of the batch that is filled.
  sft_row *rows;
  int32_t *tokens, *targets, *starts;
  // What holds the output folder; −1: nothing.
  int lock;
  // A descriptor of events.jsonl; −1: none.
  int events;
  bool output_failed;
  sft_error error;
  char line[8192];
} sft_run;

// The number of the signal that asked to stop; 0: none.
extern volatile sft_signal sft_stop_signal;

// Opens all that a run needs. What was opened has to be closed whether it fails or not.
sft_status sft_run_open(sft_run *run, const sft_options *options);
void sft_run_close(sft_run *run);
// Trains to the end, or until it is asked to stop.
sft_status sft_run_train(sft_run *run, sft_end *end);
// Whether it was asked to stop.
bool sft_run_stops(const sft_run *run);
double sft_run_seconds(const sft_run *run);
// The path of a snapshot's file in the output folder.
void sft_run_path(const sft_run *run, const char *name, char path[1024]);

// ---- events, a line of JSON each

// What a step was.
typedef struct sft_step_report {
  int64_t scored;
  double loss, rate, norm, seconds;
  double data, forward, backward, update;
} sft_step_report;

sft_status sft_events_open(sft_run *run);
void sft_tell_start(sft_run *run);
void sft_tell_step(sft_run *run, const sft_step_report *report);
void sft_tell_validation(sft_run *run, int64_t step, double loss, bool is_best);
void sft_tell_snapshot(sft_run *run, const char *path, const char *kind);
void sft_tell_warning(sft_run *run, const char *text);
void sft_tell_done(sft_run *run, sft_end end);

#endif
