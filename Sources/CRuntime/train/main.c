// Trains what a bundle says, on the text beside it: `sparseft compile` wrote both.
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static const char USAGE[] =
    "usage: train BUNDLE MODEL.sfckpt [--steps N] [--resume] [--output FOLDER] [--threads N]\n"
    "             [--text FILE]\n"
    "  --steps N        end after step N; --resume goes on from there\n"
    "  --resume         go on with the run in the output folder\n"
    "  --output FOLDER  where snapshots and events go (run)\n"
    "  --threads N      as the recipe says, if not given\n"
    "  --text FILE      the tokens (BUNDLE's name with .sftokens)\n"
    "Events go to standard output, a line of JSON each.\n";

// Exit codes, those of sysexits.
enum { WRONG_USAGE = 64, BAD_DATA = 65, MISSING = 66, A_BUG = 70, CANT_CREATE = 73, IO_ERROR = 74 };

static void stop(int number) {
  if (sft_stop_signal == 0) sft_stop_signal = number;
}

static void listen(void) {
#ifndef SFT_NO_SIGNALS
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = stop;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  struct sigaction earlier;
  // As `nohup` asks.
  if (sigaction(SIGHUP, NULL, &earlier) == 0 && earlier.sa_handler != SIG_IGN) {
    sigaction(SIGHUP, &action, NULL);
  }
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
#else
  (void)stop;
#endif
}

static int exit_code(sft_status status) {
  switch (status) {
    case SFT_OK:
      return 0;
    case SFT_BAD_FILE:
    case SFT_BAD_CALL:
    case SFT_WRONG_CHECKPOINT:
    case SFT_WRONG_STATE:
    case SFT_NOT_FINITE:
      return BAD_DATA;
    case SFT_CANT_READ:
      return MISSING;
    case SFT_CANT_WRITE:
      return CANT_CREATE;
    case SFT_FILE_CHANGED:
      return IO_ERROR;
    default:
      return A_BUG;
  }
}

static int64_t positive(const char *text) {
  char *end;
  const long long number = strtoll(text, &end, 10);
  return *text && *end == 0 && number > 0 ? number : -1;
}

// False where the arguments make no sense.
static bool read_arguments(int count, char **arguments, sft_options *o) {
  for (int i = 1; i < count; ++i) {
    const char *word = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
    if (strcmp(word, "--resume") == 0) {
      o->resumes = true;
    } else if (strncmp(word, "--", 2) == 0) {
      if (!value) return false;
      ++i;
      if (strcmp(word, "--steps") == 0) {
        if ((o->steps = positive(value)) < 0) return false;
      } else if (strcmp(word, "--threads") == 0) {
        if ((o->threads = positive(value)) < 0) return false;
      } else if (strcmp(word, "--output") == 0) {
        o->output = value;
      } else if (strcmp(word, "--text") == 0) {
        o->text = value;
      } else {
        return false;
      }
    } else if (!o->bundle) {
      o->bundle = word;
    } else if (!o->model) {
      o->model = word;
    } else {
      return false;
    }
  }
  return o->bundle && o->model && strlen(o->output) < 900;
}

static sft_run run;

int main(int count, char **arguments) {
  sft_options options = {.output = "run", .steps = -1};
  if (count == 2 && strcmp(arguments[1], "--help") == 0) {
    fputs(USAGE, stdout);
    return 0;
  }
  if (!read_arguments(count, arguments, &options)) {
    fputs(USAGE, stderr);
    return WRONG_USAGE;
  }
  sft_end end = SFT_FINISHED;
  sft_status status = sft_run_open(&run, &options);
  listen();
  if (status == SFT_OK) status = sft_run_train(&run, &end);
  const long long step = run.progress.step;
  if (status != SFT_OK) {
    fprintf(stderr, "error: %s\n", run.error.text);
  } else if (end == SFT_INTERRUPTED) {
    fprintf(stderr,
            step > 0 ? "saved at step %lld; --resume goes on\n"
                     : "stopped before the first step; nothing was trained yet\n",
            step);
  }
  const bool output_failed = run.output_failed;
  sft_run_close(&run);
  if (status != SFT_OK) return exit_code(status);
  if (sft_stop_signal != 0 && end == SFT_INTERRUPTED) return 128 + (int)sft_stop_signal;
  return output_failed ? IO_ERROR : 0;
}
