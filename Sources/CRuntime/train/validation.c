#include <math.h>

#include "error.h"
#include "stages.h"

void sft_report_cache(sft_run *run) {
  if (!sft_cache_failed(run->cache)) return;
  sft_tell_warning(run,
                   "the cache of the frozen blocks is given up; the run goes on and computes them "
                   "in every step");
}

sft_status sft_diverged(sft_run *run, int64_t step, const char *figure, double value) {
  return sft_fail(&run->error, SFT_NOT_FINITE, "the %s of step %lld is %g; lower the learning rate",
                  figure, (long long)step, value);
}

// The mean loss of the held-out text in nats per target; false if it was asked to stop.
static bool mean_loss(sft_run *run, double *loss) {
  const int64_t rows = run->settings->windows;
  const int64_t count = sft_text_windows(run->text, SFT_HELD_OUT_TEXT);
  double sum = 0;
  for (int64_t first = 0; first < count; first += rows) {
    if (sft_run_stops(run)) return false;
    for (int64_t row = 0; row < rows; ++row) {
      if (first + row < count) {
        sft_fill_row(run, row, SFT_HELD_OUT_TEXT, first + row);
      } else {
        sft_clear_row(run, row);
      }
    }
    sum += sft_step_score(run->step);
  }
  *loss = sum / (double)sft_text_scored_in_all(run->text, SFT_HELD_OUT_TEXT);
  return true;
}

// `goes_on` is false if it was asked to stop.
sft_status sft_validate_base(sft_run *run, bool *goes_on) {
  double loss = run->progress.initial_loss;
  *goes_on = true;
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) == 0) return SFT_OK;
  if (isnan(loss) && !mean_loss(run, &loss)) {
    *goes_on = false;
    return SFT_OK;
  }
  if (!isfinite(loss)) return sft_diverged(run, 0, "held-out loss", loss);
  run->progress.initial_loss = loss;
  sft_tell_validation(run, 0, loss, false);
  sft_report_cache(run);
  return SFT_OK;
}

sft_status sft_validate(sft_run *run, bool *goes_on) {
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
  if (!isfinite(loss)) return sft_diverged(run, p->step, "validation loss", loss);
  p->last_loss = loss;
  const bool is_best = isnan(p->best_loss) || loss < p->best_loss;
  p->validations_since_best = is_best ? 0 : p->validations_since_best + 1;
  if (is_best) p->best_loss = loss;
  sft_tell_validation(run, p->step, loss, is_best);
  sft_report_cache(run);
  return is_best ? sft_save_delta(run, "best", loss) : SFT_OK;
}
