#define _DEFAULT_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SFT_NO_MMAP
#include <sys/mman.h>
#endif
#ifndef __wasi__
#include <sys/file.h>
#endif

#include "error.h"
#include "watch.h"

#ifdef SFT_NO_MMAP
static void *read_whole(int descriptor, int64_t size) {
  char *bytes = sft_take_memory(size);
  for (int64_t done = 0; bytes && done < size;) {
    const ssize_t count = pread(descriptor, bytes + done, (size_t)(size - done), (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      free(bytes);
      return NULL;
    }
    done += count;
  }
  return bytes;
}
#endif

sft_status sft_map(const char *path, sft_mapping *mapping, sft_error *error) {
  struct stat status;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || fstat(descriptor, &status) != 0) {
    const int reason = errno;
    if (descriptor >= 0) close(descriptor);
    return sft_fail(error, SFT_CANT_READ, "reading '%.150s': %s", path, strerror(reason));
  }
  *mapping = (sft_mapping){
      .size = (int64_t)status.st_size,
      .is_private = (status.st_mode & 077) == 0,
      .path = path,
      .descriptor = -1,
      .modified = status.st_mtim,
  };
  if (S_ISREG(status.st_mode) && status.st_size > 0 && (uint64_t)status.st_size <= SIZE_MAX) {
#ifdef SFT_NO_MMAP
    mapping->bytes = read_whole(descriptor, mapping->size);
#else
    mapping->bytes = mmap(NULL, (size_t)mapping->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapping->bytes == MAP_FAILED) mapping->bytes = NULL;
#endif
  }
#ifndef SFT_NO_MMAP
  if (mapping->bytes) {
    mapping->descriptor = descriptor;
    sft_watch(mapping);
    return SFT_OK;
  }
#endif
  close(descriptor);
  if (mapping->bytes) return SFT_OK;
  return sft_fail(error, SFT_CANT_READ, "reading '%.150s': it is no file, empty, or too large",
                  path);
}

sft_status sft_check_unchanged(const sft_mapping *mapping, sft_error *error) {
  struct stat status;
  if (!mapping->bytes || mapping->descriptor < 0) return SFT_OK;
  if (fstat(mapping->descriptor, &status) == 0 && status.st_size == mapping->size &&
      status.st_mtim.tv_sec == mapping->modified.tv_sec &&
      status.st_mtim.tv_nsec == mapping->modified.tv_nsec) {
    return SFT_OK;
  }
  return sft_fail(
      error, SFT_FILE_CHANGED,
      "reading '%.120s': the file was written to or cut short while it was in use; put it back and "
      "go on",
      mapping->path);
}

void sft_release_pages(const void *part, int64_t bytes) {
#ifndef SFT_NO_MMAP
  // From a page's start.
  const uintptr_t inside = (uintptr_t)part % (uintptr_t)sysconf(_SC_PAGESIZE);
  madvise((void *)((uintptr_t)part - inside), (size_t)bytes + inside, MADV_DONTNEED);
#else
  (void)part;
  (void)bytes;
#endif
}

void sft_unmap(sft_mapping *mapping) {
  if (!mapping->bytes) return;
#ifndef SFT_NO_MMAP
  sft_unwatch(mapping);
  munmap(mapping->bytes, (size_t)mapping->size);
  close(mapping->descriptor);
#else
  free(mapping->bytes);
#endif
  mapping->bytes = NULL;
}

void *sft_take_memory(int64_t bytes) {
  if (bytes < 0 || (uint64_t)bytes > SIZE_MAX - 64) return NULL;
  const size_t size = ((size_t)bytes + 63) / 64 * 64;
  void *memory = aligned_alloc(64, size > 0 ? size : 64);
  if (memory) memset(memory, 0, size);
  return memory;
}

#ifndef __wasi__
// Whether a file still has its name: whoever held it may have removed it between opening and
// locking.
static bool is_named(int descriptor, const char *path) {
  struct stat own, named;
  return fstat(descriptor, &own) == 0 && lstat(path, &named) == 0 && own.st_dev == named.st_dev &&
         own.st_ino == named.st_ino;
}
#endif

int sft_hold(const char *path) {
  char text[24];
  int descriptor;
#ifndef __wasi__
  for (;;) {
    descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) return -1;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      // Systems without locks go on without one.
      if (errno != EWOULDBLOCK) break;
      close(descriptor);
      errno = EWOULDBLOCK;
      return -1;
    }
    if (is_named(descriptor, path)) break;
    close(descriptor);
  }
  const int count = snprintf(text, sizeof text, "%lld\n", (long long)getpid());
#else
  descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  const int count = snprintf(text, sizeof text, "1\n");
#endif
  if (descriptor >= 0 && ftruncate(descriptor, 0) == 0) {
    const ssize_t written = pwrite(descriptor, text, (size_t)count, 0);
    (void)written;
  }
  return descriptor;
}

void sft_let_go(const char *path, int descriptor) {
  if (descriptor < 0) return;
  unlink(path);
  close(descriptor);
}

// A number behind a key in a file of /proc; 0 where there is none.
static int64_t number_in(const char *path, const char *key) {
  char text[4096];
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  const ssize_t count = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  text[count > 0 ? count : 0] = 0;
  const char *found = strstr(text, key);
  return found ? strtoll(found + strlen(key), NULL, 10) : 0;
}

int64_t sft_resident_bytes(void) { return 1024 * number_in("/proc/self/status", "VmRSS:"); }

int64_t sft_peak_resident_bytes(void) { return 1024 * number_in("/proc/self/status", "VmHWM:"); }
