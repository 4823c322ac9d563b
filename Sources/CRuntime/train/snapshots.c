#include <math.h>
#include <stdio.h>

#include "stages.h"

// What was computed from other bytes than those that were checked is not saved.
sft_status sft_check_files(sft_run *run) {
  sft_status status = sft_check_unchanged(&run->bundle_file, &run->error);
  if (status == SFT_OK) status = sft_check_unchanged(&run->text_file, &run->error);
  return status == SFT_OK ? sft_check_unchanged(&run->model_file, &run->error) : status;
}

sft_status sft_save_delta(sft_run *run, const char *kind, double loss) {
  char name[64], path[1024];
  sft_status status = sft_check_files(run);
  if (status != SFT_OK) return status;
  snprintf(name, sizeof name, "%s/trained.sfdelta", kind);
  sft_run_path(run, name, path);
  status = sft_store_write_delta(run->store, path, &run->progress, loss, &run->error);
  if (status == SFT_OK) sft_tell_snapshot(run, path, kind);
  return status;
}

sft_status sft_save_last(sft_run *run) {
  char path[1024];
  run->progress.elapsed_seconds = sft_run_seconds(run);
  sft_status status = sft_save_delta(run, "last", run->progress.last_loss);
  if (status != SFT_OK) return status;
  sft_run_path(run, "last/state.sfstate", path);
  status = sft_store_write_state(run->store, path, &run->progress, &run->error);
  if (status != SFT_OK) return status;
  run->saved_step = run->progress.step;
  // Without validation nothing is better than what came last.
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) > 0) return SFT_OK;
  return sft_save_delta(run, "best", NAN);
}

sft_status sft_read_back(sft_run *run) {
  char path[1024];
  sft_mapping state;
  sft_run_path(run, "last/state.sfstate", path);
  sft_status status = sft_map(path, &state, &run->error);
  if (status != SFT_OK) return status;
  status = sft_store_read_state(run->store, state.bytes, state.size, &run->progress, &run->error);
  sft_unmap(&state);
  return status;
}
