// A bundle in memory, and its file. All numbers are little-endian, without gaps between them.
//
// The file begins as a checkpoint does (docs/format.md): magic "SFBNDL\r\n", version u32 2, u32 0,
// the bytes that follow the first 64 as u64, those of the whole file as u64, and the SHA-256 of
// what follows the first 64. Then, counts being u32 and a name its length as u16 and its bytes:
//
//   checkpoint: its content hash, 32 bytes; its length i64
//   settings: windows, tokens, accumulation, steps i64, seed u64, curve i64, rate and final ratio
//     f64, warm-up steps i64, two betas f64, whether the prefix is rounded u8, steps between
//     validations and between snapshots i64, whether windows are shuffled u8, patience i64 and its
//     margin f64, bytes of two caches, threads i64
//   fragments (sft_fragment_kind): of each its bytes u32, and a JSON object
//   memory: bytes of the arena without scratch i64, of each thread's scratch i64
//   kernels: count, names; calls use their numbers
//   tensors: count; type u8, rows, width i64, places of elements and scales in the checkpoint i64
//   programs: count u8; role u8, bytes of the arena and of its kept part i64, then
//     buffers: count; name, kind, element, whether it is kept u8, bytes i64, place in the arena
//       i64 (-1: in the checkpoint), contents: a tag u8 (sft_contents) and what it needs
//     ports: count; name, element u8, buffer u32
//     calls: count; kernel u16, phase, part, counts of buffers, sizes and scalars u8, items, grain,
//       slices i64, buffers (number i32, -1: none; offset i64), sizes i64, scalars f32
//   changes: count; tensor's name, kind u8, parameters: count u8, their buffers u32; rank or units
//     i64, scale f64, the tensor's rows and axes i64, numbers: count, i64 (sft_change)
#ifndef SFT_BUNDLE_H
#define SFT_BUNDLE_H

#include "reader.h"
#include "sft_runtime.h"
#include "sha256.h"

enum { SFT_PREAMBLE_BYTES = 64, SFT_NAME_BYTES = 120, SFT_ROLES = 3 };

// What a file's first 64 bytes say.
typedef struct sft_preamble {
  uint32_t version;
  int64_t header_bytes;
  uint8_t digest[SFT_DIGEST_BYTES];
} sft_preamble;

// Reads and checks a preamble.
sft_status sft_take_preamble(const uint8_t *bytes, int64_t size, const char magic[8],
                             const char *what, sft_preamble *preamble, sft_error *error);

// The same, and hashes the rest of the file.
sft_status sft_read_preamble(const uint8_t *bytes, int64_t size, const char magic[8],
                             const char *what, sft_preamble *preamble, sft_error *error);

typedef enum sft_element {
  SFT_ELEMENT_F32 = 0,
  SFT_ELEMENT_BF16 = 1,
  SFT_ELEMENT_INT8 = 2,
  SFT_ELEMENT_INT32 = 3,
  SFT_ELEMENT_CODES = 4,  // moments in bytes
} sft_element;

// A tensor of the checkpoint that the bundle reads.
typedef struct sft_tensor {
  sft_element type;
  int64_t rows, width;
  int64_t offset, scales_offset;  // from the file's start; scales of int8 only
} sft_tensor;

typedef enum sft_contents {
  SFT_UNDEFINED = 0,
  SFT_ZEROS = 1,
  SFT_ROWS = 2,        // rows of a tensor
  SFT_SCALES = 3,      // the scales that the checkpoint stores for rows of an int8 tensor
  SFT_CHOSEN = 4,      // rows of a tensor by their ids
  SFT_ROW_SCALES = 5,  // what makes each row's largest magnitude 127
  SFT_KAIMING = 6,     // uniform in ±1/√fan-in
  SFT_VALUES = 7,
  SFT_INTEGERS = 8,
} sft_contents;

typedef enum sft_buffer_kind { SFT_PARAMETER = 1, SFT_OPTIMIZER = 4 } sft_buffer_kind;

typedef struct sft_buffer {
  char name[SFT_NAME_BYTES];
  uint8_t kind;
  sft_element element;
  bool is_persistent;
  int64_t bytes;
  int64_t place;  // in the arena; -1: a tensor of the checkpoint, where it lies
  sft_contents contents;
  int64_t tensor, first_row, end_row;  // of rows and scales
  int64_t fan_in;
  uint64_t stream;
  const uint8_t *numbers;  // little-endian, in the file
  int64_t number_count;
} sft_buffer;

typedef struct sft_port {
  char name[SFT_NAME_BYTES];
  sft_element element;
  int64_t buffer;
} sft_port;

// One of the bundle's programs.
typedef struct sft_program_data {
  bool is_there;
  int64_t arena_bytes, persistent_bytes;
  int64_t buffer_count, port_count, call_count;
  sft_buffer *buffers;
  sft_port *ports;
  sft_call_record *calls;
} sft_program_data;

struct sft_bundle {
  // The file's own hash, which a text is bound to.
  uint8_t digest[SFT_DIGEST_BYTES];
  uint8_t checkpoint_digest[SFT_DIGEST_BYTES];
  int64_t checkpoint_bytes;
  sft_settings settings;
  sft_fragment fragments[SFT_FRAGMENTS];
  int64_t arena_bytes, scratch_bytes;
  int64_t tensor_count;
  sft_tensor *tensors;
  sft_program_data programs[SFT_ROLES];
  int64_t change_count;
  sft_change *changes;
};

static inline int64_t sft_element_size(sft_element element) {
  return element == SFT_ELEMENT_F32 || element == SFT_ELEMENT_INT32 ? 4
         : element == SFT_ELEMENT_BF16                              ? 2
                                                                    : 1;
}

// The buffer of an int8 matrix's row scales; NULL if there is none.
const sft_buffer *sft_scales_of(const sft_program_data *program, const sft_buffer *matrix);

// Checks what a bundle's programs may do: places, contents, calls and changes.
sft_status sft_check_bundle(const sft_bundle *bundle, sft_error *error);

// Checks the calls of programs whose places are right.
sft_status sft_check_calls(const sft_bundle *bundle, sft_error *error);

// A number of a buffer whose contents are numbers.
int32_t sft_number_at(const sft_buffer *buffer, int64_t index);

#endif
