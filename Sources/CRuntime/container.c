#define _POSIX_C_SOURCE 200809L
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static sft_status cant_write(const char *path, sft_error *error) {
  const int reason = errno;
  return sft_fail(error, SFT_CANT_WRITE, "writing '%.150s': %s", path, strerror(reason));
}

// The folder of a path.
static void folder_of(const char *path, char folder[1024]) {
  const char *slash = strrchr(path, '/');
  snprintf(folder, 1024, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

sft_status sft_file_begin(sft_file *file, const char *path, sft_error *error) {
  char folder[1024];
  file->descriptor = -1;
  if (strlen(path) >= sizeof folder) {
    return sft_fail(error, SFT_CANT_WRITE, "the path '%.100s…' is too long", path);
  }
  folder_of(path, folder);
  file->path = path;
  file->position = 0;
  for (unsigned attempt = 0; attempt < 100 && file->descriptor < 0; ++attempt) {
    const unsigned long number = (unsigned long)(sft_seconds() * 1e6) + attempt;
    snprintf(file->temporary, sizeof file->temporary, "%s/.sparseft-%lx.partial", folder, number);
    file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->descriptor < 0 && errno != EEXIST) break;
  }
  if (file->descriptor < 0) return cant_write(path, error);
  static const uint8_t nothing[SFT_PREAMBLE_BYTES];
  sft_sha256_start(&file->hash);
  const sft_status status = sft_file_write(file, nothing, sizeof nothing, error);
  sft_sha256_start(&file->hash);
  return status;
}

sft_status sft_file_write(sft_file *file, const void *bytes, int64_t count, sft_error *error) {
  const char *at = bytes;
  sft_sha256_update(&file->hash, bytes, (size_t)count);
  while (count > 0) {
    const ssize_t written = write(file->descriptor, at, (size_t)count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return cant_write(file->path, error);
    at += written;
    count -= written;
    file->position += written;
  }
  return SFT_OK;
}

sft_status sft_file_align(sft_file *file, sft_error *error) {
  static const uint8_t zeros[64];
  return sft_file_write(file, zeros, (64 - file->position % 64) % 64, error);
}

static void put_little(uint8_t *to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to[i] = (uint8_t)(value >> (8 * i));
}

// The folder's own entry has to be on the disk too.
static void settle_folder(const char *path) {
  char folder[1024];
  folder_of(path, folder);
  const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

sft_status sft_file_finish(sft_file *file, const char magic[8], int64_t header_bytes,
                           sft_error *error) {
  uint8_t preamble[SFT_PREAMBLE_BYTES] = {0};
  memcpy(preamble, magic, 8);
  put_little(preamble + 8, 1, 4);
  put_little(preamble + 16, (uint64_t)header_bytes, 8);
  put_little(preamble + 24, (uint64_t)file->position, 8);
  sft_sha256_finish(&file->hash, preamble + 32);
  if (pwrite(file->descriptor, preamble, sizeof preamble, 0) != (ssize_t)sizeof preamble ||
      fsync(file->descriptor) != 0) {
    return cant_write(file->path, error);
  }
  const int descriptor = file->descriptor;
  file->descriptor = -1;
  if (close(descriptor) != 0 || rename(file->temporary, file->path) != 0) {
    const sft_status status = cant_write(file->path, error);
    unlink(file->temporary);
    return status;
  }
  settle_folder(file->path);
  return SFT_OK;
}

void sft_file_abandon(sft_file *file) {
  if (file->descriptor < 0) return;
  close(file->descriptor);
  unlink(file->temporary);
  file->descriptor = -1;
}
