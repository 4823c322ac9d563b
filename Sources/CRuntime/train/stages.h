// What a run's loop is made of. `goes_on` is false where the run was asked to stop.
#ifndef SFT_TRAIN_STAGES_H
#define SFT_TRAIN_STAGES_H

#include "run.h"

// ---- batches

// Fills a row of the batch with a window of the trained or the held-out text.
void sft_fill_row(sft_run *run, int64_t row, sft_split split, int64_t window);
// A row that adds nothing to losses and gradients.
void sft_clear_row(sft_run *run, int64_t row);
// The window of a row of the next step, continuing from one epoch into the next.
int64_t sft_window_at(sft_run *run, int64_t batch, int64_t row);
// The targets that count in the next step.
int64_t sft_scored_targets(sft_run *run);

// ---- validation

// The base's loss, before the first step.
sft_status sft_validate_base(sft_run *run, bool *goes_on);
// The loss of the held-out text, and a snapshot if it is the best.
sft_status sft_validate(sft_run *run, bool *goes_on);
// An error that says which figure is not finite.
sft_status sft_diverged(sft_run *run, int64_t step, const char *figure, double value);
// Warns, once, where the cache of the frozen blocks was given up.
void sft_report_cache(sft_run *run);

// ---- snapshots

// Writes the delta of the present parameters to the folder `best` or `last`.
// Whether bundle, text and model are what they were when they were opened.
sft_status sft_check_files(sft_run *run);
sft_status sft_save_delta(sft_run *run, const char *kind, double loss);
// Writes the last delta and the state to go on from.
sft_status sft_save_last(sft_run *run);
// Reads that state.
sft_status sft_read_back(sft_run *run);

#endif
