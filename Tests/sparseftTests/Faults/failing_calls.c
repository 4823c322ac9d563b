// Stands between a program and the C library (LD_PRELOAD): the calls by which files are written are
// counted, and the one that the environment names fails or is the program's last.
//
//   FAULT_FOLDER   only calls on files below this folder count
//   FAULT_CALL     number of the call, from 1; 0 for none
//   FAULT_KIND     an error number to fail with, "kill" to end before the call, "short" to write
//   half FAULT_COUNT    a file that the number of calls is written to when the program ends
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int calls;

static int is_ours(const char *path) {
  const char *folder = getenv("FAULT_FOLDER");
  return folder != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

// Also files without a name, whose link says which folder they are in.
static int is_ours_open(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

// The error to fail with; 0 to go on, -1 to write half.
static int fault(int ours) {
  if (!ours) return 0;
  int number = atomic_fetch_add(&calls, 1) + 1;
  const char *wanted = getenv("FAULT_CALL"), *kind = getenv("FAULT_KIND");
  if (wanted == NULL || kind == NULL || atoi(wanted) != number) return 0;
  if (strcmp(kind, "kill") == 0) kill(getpid(), SIGKILL);
  return strcmp(kind, "short") == 0 ? -1 : atoi(kind);
}

__attribute__((destructor)) static void write_count(void) {
  const char *path = getenv("FAULT_COUNT");
  FILE *file = path != NULL ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  fprintf(file, "%d\n", atomic_load(&calls));
  fclose(file);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF(ours)      \
  int error = fault(ours); \
  if (error > 0) {         \
    errno = error;         \
    return -1;             \
  }

ssize_t write(int descriptor, const void *bytes, size_t count) {
  FAIL_IF(descriptor > 2 && is_ours_open(descriptor));
  return NEXT(write)(descriptor, bytes, error < 0 && count > 1 ? count / 2 : count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  FAIL_IF(is_ours_open(descriptor));
  return NEXT(pwrite)(descriptor, bytes, error < 0 && count > 1 ? count / 2 : count, offset);
}

int fsync(int descriptor) {
  FAIL_IF(is_ours_open(descriptor));
  return NEXT(fsync)(descriptor);
}

int ftruncate(int descriptor, off_t length) {
  FAIL_IF(is_ours_open(descriptor));
  return NEXT(ftruncate)(descriptor, length);
}

int rename(const char *from, const char *to) {
  FAIL_IF(is_ours(to));
  return NEXT(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
  FAIL_IF(is_ours(path));
  return NEXT(mkdir)(path, mode);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  FAIL_IF(is_ours(to));
  return NEXT(linkat)(from_folder, from, to_folder, to, flags);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  FAIL_IF((flags & O_ACCMODE) != O_RDONLY && is_ours(path));
  return NEXT(open)(path, flags, mode);
}
