#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

// How often a run goes back before it gives up.
enum { MOST_SETBACKS = 3 };

volatile sft_signal sft_stop_signal = 0;

bool sft_run_stops(const sft_run *run) { return sft_stop_signal != 0 || run->output_failed; }

double sft_run_seconds(const sft_run *run) {
  return run->earlier_seconds + sft_seconds() - run->started;
}

// ---- batches

static void fill_row(sft_run *run, int64_t row, sft_split split, int64_t window) {
  const int64_t first = row * run->settings->tokens;
  run->rows[row] = (sft_row){false, split, window};
  sft_text_fill(run->text, split, window, run->tokens + first, run->targets + first,
                run->starts + first);
}

// A row that adds nothing to losses and gradients.
static void clear_row(sft_run *run, int64_t row) {
  const int64_t tokens = run->settings->tokens, first = row * tokens;
  run->rows[row] = (sft_row){.is_cleared = true};
  for (int64_t i = first; i < first + tokens; ++i) {
    run->tokens[i] = 0;
    run->targets[i] = -1;
    run->starts[i] = 0;
  }
}

static void report_cache(sft_run *run) {
  if (!sft_cache_failed(run->cache)) return;
  sft_tell_warning(run,
                   "the cache of the frozen blocks is given up; the run goes on and computes them "
                   "in every step");
}

// ---- snapshots

static sft_status save_delta(sft_run *run, const char *kind, double loss) {
  char name[64], path[1024];
  snprintf(name, sizeof name, "%s/trained.sfdelta", kind);
  sft_run_path(run, name, path);
  const sft_status status =
      sft_store_write_delta(run->store, path, &run->progress, loss, &run->error);
  if (status == SFT_OK) sft_tell_snapshot(run, path, kind);
  return status;
}

static sft_status save_last(sft_run *run) {
  char path[1024];
  run->progress.elapsed_seconds = sft_run_seconds(run);
  sft_status status = save_delta(run, "last", run->progress.last_loss);
  if (status != SFT_OK) return status;
  sft_run_path(run, "last/state.sfstate", path);
  status = sft_store_write_state(run->store, path, &run->progress, &run->error);
  if (status != SFT_OK) return status;
  run->saved_step = run->progress.step;
  // Without validation nothing is better than what came last.
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) > 0) return SFT_OK;
  return save_delta(run, "best", NAN);
}

// ---- validation

// The mean loss of the held-out text in nats per target; false if it was asked to stop.
static bool mean_loss(sft_run *run, double *loss) {
  const int64_t rows = run->settings->windows;
  const int64_t count = sft_text_windows(run->text, SFT_HELD_OUT_TEXT);
  double sum = 0;
  for (int64_t first = 0; first < count; first += rows) {
    if (sft_run_stops(run)) return false;
    for (int64_t row = 0; row < rows; ++row) {
      if (first + row < count) {
        fill_row(run, row, SFT_HELD_OUT_TEXT, first + row);
      } else {
        clear_row(run, row);
      }
    }
    sum += sft_step_score(run->step);
  }
  *loss = sum / (double)sft_text_scored_in_all(run->text, SFT_HELD_OUT_TEXT);
  return true;
}

static sft_status diverged(sft_run *run, int64_t step, const char *figure, double value) {
  return sft_fail(&run->error, SFT_NOT_FINITE, "the %s of step %lld is %g; lower the learning rate",
                  figure, (long long)step, value);
}

// `goes_on` is false if it was asked to stop.
static sft_status validate_base(sft_run *run, bool *goes_on) {
  double loss = run->progress.initial_loss;
  *goes_on = true;
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) == 0) return SFT_OK;
  if (isnan(loss) && !mean_loss(run, &loss)) {
    *goes_on = false;
    return SFT_OK;
  }
  if (!isfinite(loss)) return diverged(run, 0, "held-out loss", loss);
  run->progress.initial_loss = loss;
  sft_tell_validation(run, 0, loss, false);
  report_cache(run);
  return SFT_OK;
}

static sft_status validate(sft_run *run, bool *goes_on) {
  sft_progress *p = &run->progress;
  double loss;
  *goes_on = true;
  p->validation_is_due = false;
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) == 0) return SFT_OK;
  if (!mean_loss(run, &loss)) {
    p->validation_is_due = true;
    *goes_on = false;
    return SFT_OK;
  }
  if (!isfinite(loss)) return diverged(run, p->step, "validation loss", loss);
  p->last_loss = loss;
  const bool is_best = isnan(p->best_loss) || loss < p->best_loss;
  p->validations_since_best = is_best ? 0 : p->validations_since_best + 1;
  if (is_best) p->best_loss = loss;
  sft_tell_validation(run, p->step, loss, is_best);
  report_cache(run);
  return is_best ? save_delta(run, "best", loss) : SFT_OK;
}

// ---- steps

// The next step's windows, continuing from one epoch into the next.
static int64_t window_at(sft_run *run, int64_t batch, int64_t row) {
  const sft_settings *s = run->settings;
  const int64_t first = run->progress.step * s->windows * s->accumulation;
  return sft_order_window(run->order, first + batch * s->windows + row);
}

static int64_t scored_targets(sft_run *run) {
  int64_t scored = 0;
  for (int64_t batch = 0; batch < run->settings->accumulation; ++batch) {
    for (int64_t row = 0; row < run->settings->windows; ++row) {
      scored += sft_text_scored(run->text, SFT_TRAINED_TEXT, window_at(run, batch, row));
    }
  }
  return scored;
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
  r->scored = scored_targets(run);
  r->data = sft_seconds() - start;
  if (r->scored == 0) return true;
  if (prefix) sft_program_reset_seconds(prefix);
  sft_step_begin(run->step, number, r->rate, r->scored);
  double sum = 0;
  for (int64_t batch = 0; batch < s->accumulation; ++batch) {
    if (batch > 0 && sft_run_stops(run)) return false;
    const double before = sft_seconds();
    for (int64_t row = 0; row < s->windows; ++row) {
      fill_row(run, row, SFT_TRAINED_TEXT, window_at(run, batch, row));
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
  if (!isfinite(report.loss)) return diverged(run, number, "loss", report.loss);
  if (!isfinite(report.norm)) return diverged(run, number, "gradient norm", report.norm);
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
  report_cache(run);
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
    status = validate(run, goes_on);
    if (status != SFT_OK || !*goes_on) return status;
  }
  if (is_due(run, run->settings->save_every) && !is_last && !is_stale(run) && !sft_run_stops(run)) {
    return save_last(run);
  }
  return SFT_OK;
}

// ---- runs

static sft_status read_back(sft_run *run) {
  char path[1024];
  sft_mapping state;
  sft_run_path(run, "last/state.sfstate", path);
  sft_status status = sft_map(path, &state, &run->error);
  if (status != SFT_OK) return status;
  status = sft_store_read_state(run->store, state.bytes, state.size, &run->progress, &run->error);
  sft_unmap(&state);
  return status;
}

// After a figure that is not finite: goes back to the last saved state, or to the base, and on from
// there at half the rate. What a validation found best by then is kept. In the first step a loss is
// the base model's.
static sft_status retreat(sft_run *run) {
  const sft_progress before = run->progress;
  if (before.setbacks >= MOST_SETBACKS || before.step == 0) return SFT_NOT_FINITE;
  char text[400];
  if (run->saved_step >= 0) {
    const sft_error failure = run->error;
    const sft_status status = read_back(run);
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
  if (run->progress.step == 0) status = validate_base(run, goes_on);
  if (status == SFT_OK && *goes_on && run->progress.validation_is_due) {
    status = validate(run, goes_on);
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
  if (*end != SFT_INTERRUPTED || run->saved_step != run->progress.step) status = save_last(run);
  if (status != SFT_OK) return status;
  if (run->progress.best_loss >= run->progress.initial_loss) {
    sft_tell_warning(run,
                     "no validation was better than the base's loss; lower the learning rate, or "
                     "train on more text");
  }
  sft_tell_done(run, *end);
  return SFT_OK;
}
