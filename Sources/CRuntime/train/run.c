#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "stages.h"

// How often a run goes back before it gives up.
enum { MOST_SETBACKS = 3 };

volatile sft_signal sft_stop_signal = 0;

bool sft_run_stops(const sft_run *run) { return sft_stop_signal != 0 || run->output_failed; }

double sft_run_seconds(const sft_run *run) {
  return run->earlier_seconds + sft_seconds() - run->started;
}

static void take_seconds(sft_run *run, sft_step_report *r) {
  const double *seconds = sft_program_seconds(sft_step_program(run->step, SFT_TRAINING));
  const sft_program *prefix = sft_step_program(run->step, SFT_PREFIX);
  r->forward = seconds[SFT_FORWARD];
  r->backward = seconds[SFT_BACKWARD];
  r->update = seconds[SFT_UPDATE];
  if (prefix) r->forward += sft_program_seconds(prefix)[SFT_FORWARD];
}

// Forward, backward and update; false if it was asked to stop between two micro-batches, and
// nothing has changed then. Nothing does either where no target counts.
static bool run_step(sft_run *run, int64_t number, sft_step_report *r) {
  const sft_settings *s = run->settings;
  const double start = sft_seconds();
  sft_program *prefix = sft_step_program(run->step, SFT_PREFIX);
  r->scored = sft_scored_targets(run);
  r->data = sft_seconds() - start;
  if (r->scored == 0) return true;
  if (prefix) sft_program_reset_seconds(prefix);
  sft_step_begin(run->step, number, r->rate, r->scored);
  double sum = 0;
  for (int64_t batch = 0; batch < s->accumulation; ++batch) {
    if (batch > 0 && sft_run_stops(run)) return false;
    const double before = sft_seconds();
    for (int64_t row = 0; row < s->windows; ++row) {
      sft_fill_row(run, row, SFT_TRAINED_TEXT, sft_window_at(run, batch, row));
    }
    r->data += sft_seconds() - before;
    sum += sft_step_run_batch(run->step);
  }
  r->norm = sft_step_finish(run->step);
  r->loss = sum / (double)r->scored;
  take_seconds(run, r);
  return true;
}

static sft_status train_step(sft_run *run, bool *goes_on) {
  const double start = sft_seconds();
  const int64_t number = run->progress.step + 1;
  sft_step_report report = {.rate = sft_rate(run->settings, number) * run->progress.rate_factor};
  *goes_on = run_step(run, number, &report);
  if (!*goes_on) return SFT_OK;
  if (!isfinite(report.loss)) return sft_diverged(run, number, "loss", report.loss);
  if (!isfinite(report.norm)) return sft_diverged(run, number, "gradient norm", report.norm);
  run->progress.step = number;
  report.seconds = sft_seconds() - start;
  run->progress.training_seconds += report.seconds;
  sft_tell_step(run, &report);
  char text[320];
  double now;
  if (report.scored == 0) {
    snprintf(text, sizeof text, "step %lld: none of its targets counts, so it changed nothing",
             (long long)number);
    sft_tell_warning(run, text);
  } else if (sft_trend_add(&run->trend, report.loss, number, number > run->settings->warmup_steps,
                           &now)) {
    snprintf(
        text, sizeof text,
        "the loss rises: %.3f over the last %d steps, %.3f up to step %lld; if it goes on, start "
        "again with a learning rate a third of %.6f (optimizer.learning_rate)",
        now, SFT_TREND_WIDTH, run->trend.mean, (long long)run->trend.step, report.rate);
    sft_tell_warning(run, text);
  }
  sft_report_cache(run);
  return SFT_OK;
}

static bool is_stale(const sft_run *run) {
  const sft_progress *p = &run->progress;
  const sft_settings *s = run->settings;
  if (s->patience < 0 || p->validations_since_best < s->patience) return false;
  if (isnan(p->last_loss) || isnan(p->best_loss)) return true;
  return p->last_loss - p->best_loss >= s->patience_margin;
}

static bool is_due(const sft_run *run, int64_t every) {
  return every > 0 && run->progress.step % every == 0;
}

// Takes a step, and validates and saves where that is due.
static sft_status advance(sft_run *run, bool *goes_on) {
  *goes_on = !sft_run_stops(run);
  if (!*goes_on) return SFT_OK;
  sft_status status = train_step(run, goes_on);
  if (status != SFT_OK || !*goes_on) return status;
  const bool is_last = run->progress.step == run->steps;
  if (is_due(run, run->settings->validate_every) || is_last) {
    status = sft_validate(run, goes_on);
    if (status != SFT_OK || !*goes_on) return status;
  }
  if (is_due(run, run->settings->save_every) && !is_last && !is_stale(run) && !sft_run_stops(run)) {
    return sft_save_last(run);
  }
  return SFT_OK;
}

// After a figure that is not finite: goes back to the last saved state, or to the base, and on from
// there at half the rate. What a validation found best by then is kept. In the first step a loss is
// the base model's.
static sft_status retreat(sft_run *run) {
  const sft_progress before = run->progress;
  // Weights that somebody has written over are no reason to go on at a lower rate.
  const sft_error reason = run->error;
  const sft_status unchanged = sft_check_files(run);
  if (unchanged != SFT_OK) return unchanged;
  run->error = reason;
  if (before.setbacks >= MOST_SETBACKS || before.step == 0) return SFT_NOT_FINITE;
  char text[400];
  if (run->saved_step >= 0) {
    const sft_error failure = run->error;
    const sft_status status = sft_read_back(run);
    if (status != SFT_OK) return status;
    run->error = failure;
  } else {
    sft_step_restart(run->step);
    run->progress = (sft_progress){.initial_loss = before.initial_loss, .last_loss = NAN};
  }
  sft_progress *p = &run->progress;
  p->best_loss = before.best_loss;
  p->training_seconds = before.training_seconds;
  p->setbacks = before.setbacks + 1;
  p->rate_factor = before.rate_factor / 2;
  run->trend = (sft_trend){0};
  snprintf(text, sizeof text, "%.200s: going on from step %lld at %.3f of the learning rate",
           run->error.text, (long long)p->step, p->rate_factor);
  sft_tell_warning(run, text);
  return SFT_OK;
}

static sft_status train_steps(sft_run *run, bool *goes_on) {
  sft_status status = SFT_OK;
  if (run->progress.step == 0) status = sft_validate_base(run, goes_on);
  if (status == SFT_OK && *goes_on && run->progress.validation_is_due) {
    status = sft_validate(run, goes_on);
  }
  while (status == SFT_OK && *goes_on && run->progress.step < run->steps && !is_stale(run)) {
    status = advance(run, goes_on);
    if (status == SFT_NOT_FINITE) status = retreat(run);
  }
  return status;
}

sft_status sft_run_train(sft_run *run, sft_end *end) {
  bool goes_on = true;
  sft_tell_start(run);
  sft_status status = train_steps(run, &goes_on);
  if (status != SFT_OK) return status;
  const bool is_whole = run->progress.step >= run->steps;
  *end = !goes_on ? SFT_INTERRUPTED : is_whole ? SFT_FINISHED : SFT_STOPPED_EARLY;
  if (*end == SFT_INTERRUPTED && run->progress.step == 0) return SFT_OK;
  if (*end != SFT_INTERRUPTED || run->saved_step != run->progress.step) status = sft_save_last(run);
  if (status != SFT_OK) return status;
  if (run->progress.best_loss >= run->progress.initial_loss) {
    sft_tell_warning(run,
                     "no validation was better than the base's loss; lower the learning rate, or "
                     "train on more text");
  }
  sft_tell_done(run, *end);
  return SFT_OK;
}
