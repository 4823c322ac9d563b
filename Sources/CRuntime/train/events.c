#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "run.h"

static bool write_all(int descriptor, const char *text, int64_t count) {
  while (count > 0) {
    const ssize_t written = write(descriptor, text, (size_t)count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text += written;
    count -= written;
  }
  return true;
}

// Where the events of later steps than the saved one begin, which are taken and told again; −1
// where the file can't be read.
static off_t end_of_known(int descriptor, int64_t step, char *line, size_t capacity) {
  off_t known = 0, at = 0;
  for (;;) {
    const ssize_t count = pread(descriptor, line, capacity, at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    const char *end = count > 0 ? memchr(line, '\n', (size_t)count) : NULL;
    if (!end) {
      // The rest of a line that is longer, or none.
      if (count < (ssize_t)capacity) return known;
      at += count;
      continue;
    }
    sft_json value;
    int64_t number;
    const sft_json event = {line, end};
    if (sft_json_is_whole(event) && sft_json_member(event, "step", &value) &&
        sft_json_integer(value, &number) && number > step) {
      return known;
    }
    at += end + 1 - line;
    known = at;
  }
}

sft_status sft_events_open(sft_run *run) {
  char path[1024];
  sft_run_path(run, "events.jsonl", path);
  run->events = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const off_t known =
      run->events >= 0 && run->options->resumes
          ? end_of_known(run->events, run->progress.step, run->line, sizeof run->line)
          : 0;
  if (run->events < 0 || known < 0 || ftruncate(run->events, known) != 0 ||
      lseek(run->events, known, SEEK_SET) != known) {
    return sft_fail(&run->error, SFT_CANT_WRITE, "writing '%.150s': %s", path, strerror(errno));
  }
  return SFT_OK;
}

static sft_writer begin(sft_run *run, const char *type) {
  sft_writer w = {run->line, run->line + sizeof run->line - 1, false};
  sft_put(&w, "{\"type\":\"");
  sft_put(&w, type);
  sft_put(&w, "\"");
  return w;
}

static void string(sft_writer *w, const char *name, const char *value) {
  sft_put_key(w, name);
  sft_put_string(w, value);
}

static void members(sft_writer *w, sft_fragment f) {
  if (f.count <= 2) return;
  sft_put(w, ",");
  sft_put_bytes(w, f.text + 1, f.count - 2);
}

static void tell(sft_run *run, sft_writer *w) {
  sft_put(w, "}");
  // One that is too long for its line is left out.
  if (w->has_failed) return;
  *w->at++ = '\n';
  if (!write_all(STDOUT_FILENO, run->line, w->at - run->line)) run->output_failed = true;
  if (run->events >= 0 && !write_all(run->events, run->line, w->at - run->line)) {
    run->output_failed = true;
  }
}

void sft_tell_start(sft_run *run) {
  sft_writer w = begin(run, "start");
  string(&w, "model", run->options->model);
  members(&w, sft_bundle_fragment(run->bundle, SFT_START_EVENT));
  sft_put_integer_member(&w, "steps", run->steps);
  sft_put_integer_member(&w, "threads", sft_pool_threads(run->pool));
  string(&w, "instruction_set", sft_isa_name(run->isa));
  tell(run, &w);
  const int64_t mapped = sft_bundle_mapped_bytes(run->bundle);
  const int64_t arena = sft_bundle_arena_bytes(run->bundle, sft_pool_threads(run->pool));
  w = begin(run, "plan");
  members(&w, sft_bundle_fragment(run->bundle, SFT_PLAN_EVENT));
  sft_put(&w, ",\"planned_bytes\":{\"mapped\":");
  sft_put_integer(&w, mapped);
  sft_put_integer_member(&w, "arena", arena);
  sft_put_integer_member(&w, "runtime", run->planned_bytes - mapped - arena);
  sft_put_integer_member(&w, "total", run->planned_bytes);
  members(&w, sft_bundle_fragment(run->bundle, SFT_PLANNED_BYTES));
  sft_put(&w, "}");
  tell(run, &w);
}

// Seconds of the steps and validations that are left, each as long as those so far.
static double seconds_left(const sft_run *run) {
  const sft_progress *p = &run->progress;
  const int64_t every = run->settings->validate_every;
  const double left = (double)(run->steps - p->step);
  const double steps = p->training_seconds / (double)(p->step > 0 ? p->step : 1) * left;
  if (sft_text_windows(run->text, SFT_HELD_OUT_TEXT) == 0 || left <= 0) return steps;
  // That of the last step comes behind it.
  const int64_t done = 1 + (every > 0 ? (p->step > 0 ? p->step - 1 : 0) / every : 0);
  const int64_t all = every > 0 ? 1 + (run->steps + every - 1) / every : 2;
  const double others = fmax(0, sft_run_seconds(run) - p->training_seconds);
  return steps + others / (double)done * (double)(all > done ? all - done : 0);
}

void sft_tell_step(sft_run *run, const sft_step_report *r) {
  const sft_settings *s = run->settings;
  const int64_t tokens = sft_tokens_per_step(s);
  const double windows = (double)(run->progress.step * s->accumulation * s->windows);
  sft_writer w = begin(run, "step");
  sft_put_integer_member(&w, "step", run->progress.step);
  sft_put_number_member(&w, "epoch",
                        windows / (double)sft_text_windows(run->text, SFT_TRAINED_TEXT));
  sft_put_number_member(&w, "loss", r->loss);
  sft_put_number_member(&w, "learning_rate", r->rate);
  sft_put_number_member(&w, "grad_norm", r->norm);
  sft_put_integer_member(&w, "tokens", tokens);
  sft_put_number_member(&w, "tokens_per_second", (double)tokens / fmax(r->seconds, 1e-9));
  sft_put_number_member(&w, "step_seconds", r->seconds);
  sft_put(&w, ",\"phase_seconds\":{\"data\":");
  sft_put_number(&w, r->data);
  sft_put_number_member(&w, "forward", r->forward);
  sft_put_number_member(&w, "backward", r->backward);
  sft_put_number_member(&w, "update", r->update);
  sft_put(&w, "}");
  sft_put_integer_member(&w, "rss_bytes", sft_resident_bytes());
  sft_put_integer_member(&w, "peak_rss_bytes", sft_peak_resident_bytes());
  sft_put_integer_member(&w, "planned_bytes", run->planned_bytes);
  sft_put_number_member(&w, "elapsed_seconds", sft_run_seconds(run));
  sft_put_number_member(&w, "eta_seconds", seconds_left(run));
  tell(run, &w);
}

void sft_tell_validation(sft_run *run, int64_t step, double loss, bool is_best) {
  sft_writer w = begin(run, "validation");
  sft_put_integer_member(&w, "step", step);
  sft_put_number_member(&w, "loss", loss);
  sft_put_number_member(&w, "perplexity", exp(loss));
  sft_put(&w, is_best ? ",\"best\":true" : ",\"best\":false");
  tell(run, &w);
  fprintf(stderr, "  step %lld: held-out loss %.4f%s\n", (long long)step, loss,
          is_best ? " (best so far)" : "");
}

void sft_tell_snapshot(sft_run *run, const char *path, const char *kind) {
  sft_writer w = begin(run, "snapshot");
  sft_put_integer_member(&w, "step", run->progress.step);
  string(&w, "path", path);
  string(&w, "kind", kind);
  tell(run, &w);
}

void sft_tell_warning(sft_run *run, const char *text) {
  sft_writer w = begin(run, "warning");
  string(&w, "message", text);
  tell(run, &w);
  fprintf(stderr, "warning: %s\n", text);
}

void sft_tell_done(sft_run *run, sft_end end) {
  static const char *const reasons[] = {"finished", "early_stopping", "interrupted"};
  const sft_progress *p = &run->progress;
  const double tokens = (double)(p->step * sft_tokens_per_step(run->settings));
  sft_writer w = begin(run, "done");
  sft_put_integer_member(&w, "steps", p->step);
  sft_put_integer_member(&w, "tokens", p->step * sft_tokens_per_step(run->settings));
  sft_put_number_member(&w, "initial_validation_loss", p->initial_loss);
  sft_put_number_member(&w, "final_validation_loss", p->last_loss);
  sft_put_number_member(&w, "best_validation_loss", p->best_loss);
  sft_put_number_member(&w, "tokens_per_second", tokens / fmax(p->training_seconds, 1e-9));
  sft_put_integer_member(&w, "peak_rss_bytes", sft_peak_resident_bytes());
  sft_put_integer_member(&w, "planned_bytes", run->planned_bytes);
  sft_put_number_member(&w, "seconds", sft_run_seconds(run));
  string(&w, "reason", reasons[end]);
  tell(run, &w);
}
