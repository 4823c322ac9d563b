// Files as a run reads them, and what the system says of the process.
#ifndef SFT_TRAIN_FILES_H
#define SFT_TRAIN_FILES_H

#include <time.h>

#include "sft_runtime.h"

// A file in memory: mapped, or read where SFT_NO_MMAP says that there is no mapping.
typedef struct sft_mapping {
  void *bytes;
  int64_t size;
  bool is_private;  // only its owner may read it
  // Of a mapped file: its name, an open descriptor, and when it was last written to.
  const char *path;
  int descriptor;
  struct timespec modified;
} sft_mapping;

// The path and the mapping have to stay where they are until the file is unmapped. Where the system
// has signals, touching bytes of a mapped file that was cut short ends the process with 74 and its
// name.
sft_status sft_map(const char *path, sft_mapping *mapping, sft_error *error);
// Fails with SFT_FILE_CHANGED where the file was written to or cut short since it was mapped.
// Another file under its name is of no matter, and neither is what happens to one that was read.
sft_status sft_check_unchanged(const sft_mapping *mapping, sft_error *error);
// Takes pages of a mapped file out of memory until they are touched again: those of a part, whole.
void sft_release_pages(const void *part, int64_t bytes);
void sft_unmap(sft_mapping *mapping);
// Zeros, 64-byte aligned; NULL where there is no memory.
void *sft_take_memory(int64_t bytes);

// Holds a file by which other processes see that a folder is in use, as FolderLock does: its
// descriptor, −1 where another process holds it or it can't be made. Systems without locks hold
// nothing.
int sft_hold(const char *path);
void sft_let_go(const char *path, int descriptor);

// Bytes of memory that the process has now and had at most; 0 where the system does not say.
int64_t sft_resident_bytes(void);
int64_t sft_peak_resident_bytes(void);

#endif
