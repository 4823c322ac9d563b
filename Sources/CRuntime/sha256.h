// SHA-256 (FIPS 180-4), which names files by their content.
#ifndef SFT_SHA256_H
#define SFT_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SFT_DIGEST_BYTES = 32 };

typedef struct sft_sha256 {
  uint32_t state[8];
  uint64_t count;
  uint8_t block[64];
} sft_sha256;

void sft_sha256_start(sft_sha256 *hash);
void sft_sha256_update(sft_sha256 *hash, const void *bytes, size_t count);
void sft_sha256_finish(sft_sha256 *hash, uint8_t digest[SFT_DIGEST_BYTES]);

#endif
