// Files of named tensors, as docs/format.md describes them: a preamble, a header as JSON, and
// tensors at multiples of 64 bytes.
#ifndef SFT_CONTAINER_H
#define SFT_CONTAINER_H

#include "bundle.h"
#include "json.h"

// A file that appears whole or not at all, and the hash of what follows its preamble.
typedef struct sft_file {
  int descriptor;
  int64_t position;
  sft_sha256 hash;
  const char *path;
  char temporary[1100];
} sft_file;

// Begins a file beside its path under another name.
sft_status sft_file_begin(sft_file *file, const char *path, sft_error *error);
sft_status sft_file_write(sft_file *file, const void *bytes, int64_t count, sft_error *error);
// Zeros up to the next multiple of 64 bytes.
sft_status sft_file_align(sft_file *file, sft_error *error);
// Writes the preamble, makes sure that the disk has all of it, and gives the file its name.
sft_status sft_file_finish(sft_file *file, const char magic[8], int64_t header_bytes,
                           sft_error *error);
// Removes what was written.
void sft_file_abandon(sft_file *file);

#endif
