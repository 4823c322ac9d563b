#define _POSIX_C_SOURCE 200809L
#include "watch.h"

#if defined(SFT_NO_SIGNALS) || defined(SFT_NO_MMAP)

void sft_watch(const sft_mapping *mapping) { (void)mapping; }

void sft_unwatch(const sft_mapping *mapping) { (void)mapping; }

#else

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// Bundle, text, model and state.
enum { MOST_MAPPINGS = 4, IO_ERROR = 74 };

// Changed by the thread that opens files only; a handler on any thread reads it.
static const sft_mapping *volatile mappings[MOST_MAPPINGS];
// Several threads may touch what is gone at once; one of them says so.
static atomic_flag is_ending = ATOMIC_FLAG_INIT;

static void say(const char *text) {
  const ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written;
}

// Calls nothing but what a handler may.
static void end(int number, siginfo_t *info, void *context) {
  (void)context;
  const uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < MOST_MAPPINGS; ++i) {
    const sft_mapping *m = mappings[i];
    if (!m || address < (uintptr_t)m->bytes ||
        address - (uintptr_t)m->bytes >= (uintptr_t)m->size) {
      continue;
    }
    while (atomic_flag_test_and_set(&is_ending)) pause();
    say("error: reading '");
    say(m->path);
    say("': the file was cut short while it was in use, or its disk failed; put it back and go "
        "on\n");
    _exit(IO_ERROR);
  }
  // Not one of ours: the instruction runs again, and the system ends the process.
  signal(number, SIG_DFL);
}

void sft_watch(const sft_mapping *mapping) {
  struct sigaction action;
  for (int i = 0; i < MOST_MAPPINGS; ++i) {
    if (mappings[i]) continue;
    mappings[i] = mapping;
    break;
  }
  memset(&action, 0, sizeof action);
  action.sa_sigaction = end;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, NULL);
}

void sft_unwatch(const sft_mapping *mapping) {
  for (int i = 0; i < MOST_MAPPINGS; ++i) {
    if (mappings[i] == mapping) mappings[i] = NULL;
  }
}

#endif
