// The executor of compiled steps: threads that share out a call's items, and programs whose calls
// are bound to addresses. C11 and nothing else, so that devices without Swift run the same code.
//
// Memory is allocated where something is opened, never later. There is no global state: whoever
// opens a handle closes it, programs before their pool. A function that can fail returns a status
// and fills an error's text.
#ifndef SFT_RUNTIME_H
#define SFT_RUNTIME_H

#include "sft_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sft_status {
  SFT_OK = 0,
  SFT_OUT_OF_MEMORY = 1,
  // The system starts no more threads.
  SFT_THREADS_REFUSED = 2,
  // A call that can't be shared out, or that reaches outside its buffers.
  SFT_BAD_CALL = 3,
  // A file that is damaged, or not of this format.
  SFT_BAD_FILE = 4,
  // A checkpoint that is not the bundle's.
  SFT_WRONG_CHECKPOINT = 5,
  SFT_CANT_READ = 6,
  SFT_CANT_WRITE = 7,
  // A state of another run.
  SFT_WRONG_STATE = 8,
  // A loss or a gradient that is no number.
  SFT_NOT_FINITE = 9,
  // A file that was written to, or cut short, while it was in use.
  SFT_FILE_CHANGED = 10,
} sft_status;

// Why something failed; `text` says it in a sentence.
typedef struct sft_error {
  sft_status status;
  char text[248];
} sft_error;

// ---- threads

// The one owner of threads. A call's items are divided into slices, always the same slices for the
// same count and number of threads, so that results repeat exactly.
typedef struct sft_pool sft_pool;

// One call to be shared out.
typedef struct sft_job {
  sft_kernel _Nonnull function;
  const sft_call *_Nonnull call;
  int64_t items;
  // Slices start at multiples of this.
  int64_t grain;
  // Slices per thread: with more than one, a thread whose core was taken away for a while can do
  // less than the others.
  int64_t slices;
  // The threads' scratch, and bytes from one thread's to the next one's.
  void *_Nullable scratch;
  int64_t scratch_stride;
} sft_job;

// Starts a pool of `threads` threads that compute, the caller's included.
sft_status sft_pool_open(int64_t threads, sft_pool *_Nullable *_Nonnull pool,
                         sft_error *_Nonnull error);
// Ends the threads, whether they are spinning or asleep.
void sft_pool_close(sft_pool *_Nullable pool);
int64_t sft_pool_threads(const sft_pool *_Nonnull pool);
// Runs one call on all threads and returns when it is done. Only one thread may call it at a time.
void sft_pool_run(sft_pool *_Nonnull pool, const sft_job *_Nonnull job);

// ---- programs

// The pass of a training step that a call belongs to; time is measured by it.
typedef enum sft_phase { SFT_FORWARD = 0, SFT_BACKWARD = 1, SFT_UPDATE = 2 } sft_phase;
enum { SFT_PHASES = 3 };

// When a call runs within a step of one or more micro-batches: once before the first, for each, or
// once after the last.
typedef enum sft_part { SFT_BEGIN = 0, SFT_BODY = 1, SFT_FINISH = 2 } sft_part;

// A place in a buffer; a buffer of -1 is no place at all, NULL for the kernel.
typedef struct sft_view {
  int64_t buffer;
  int64_t offset;
} sft_view;

// One kernel call as data: buffers, sizes and scalars in the order of sft_kernels.def.
typedef struct sft_call_record {
  // The kernel's row in the tables.
  int64_t kernel;
  sft_view buffers[SFT_MAX_BUFFERS];
  int64_t sizes[SFT_MAX_SIZES];
  float scalars[SFT_MAX_SCALARS];
  int64_t items, grain, slices;
  sft_phase phase;
  sft_part part;
} sft_call_record;

// Where a program's buffers lie, and what its calls share.
typedef struct sft_memory {
  // Of each buffer, its address and size in bytes.
  void *_Nullable const *_Nullable addresses;
  const int64_t *_Nullable sizes;
  int64_t buffer_count;
  // The kernels of an instruction set.
  const sft_kernel_row *_Nonnull kernels;
  // Scratch of the first thread, 64-byte aligned, and bytes from one thread's to the next one's.
  void *_Nullable scratch;
  int64_t scratch_stride;
  // The f32 product that kernels build on.
  sft_sgemm_function _Nonnull sgemm;
} sft_memory;

// A step's calls, each bound to addresses.
typedef struct sft_program sft_program;

// A program of no calls yet, with room for `capacity`. The pool stays open as long as it.
sft_status sft_program_open(sft_pool *_Nonnull pool, int64_t capacity,
                            sft_program *_Nullable *_Nonnull program, sft_error *_Nonnull error);
// Binds a call behind the earlier ones, after a check that it stays within its buffers and scratch.
// These must stay where they are as long as the program is open; what is passed here is copied.
sft_status sft_program_add(sft_program *_Nonnull program, const sft_memory *_Nonnull memory,
                           const sft_call_record *_Nonnull record, sft_error *_Nonnull error);
void sft_program_close(sft_program *_Nullable program);
// Runs the calls of one part of the step in order.
void sft_program_run(sft_program *_Nonnull program, sft_part part);
// Runs one call; its time does not count.
void sft_program_run_call(sft_program *_Nonnull program, int64_t index);
// Seconds that the calls of each phase have taken since they were last reset.
const double *_Nonnull sft_program_seconds(const sft_program *_Nonnull program);
void sft_program_reset_seconds(sft_program *_Nonnull program);

// Whether a call stays within its buffers and scratch, as `sft_program_add` checks it. The call's
// number is for the error's text; addresses are not looked at.
sft_status sft_call_check(const sft_call_record *_Nonnull record, int64_t number,
                          const sft_memory *_Nonnull memory, sft_error *_Nonnull error);

// Seconds since some moment, of a clock that is never set.
double sft_seconds(void);

// ---- bundles: compiled programs as a file

// How a run goes; what its programs hold already is not said again.
typedef struct sft_settings {
  int64_t windows, tokens, accumulation;  // of a micro-batch, of a window, micro-batches of a step
  int64_t steps;
  uint64_t seed;
  // 0 cosine, 1 linear, 2 constant.
  int64_t curve;
  double peak_rate, final_ratio;
  int64_t warmup_steps;
  // Bias corrections are 1 − β^t; 0 where the rule has none.
  double first_beta, second_beta;
  // Whether the frozen blocks' outputs are rounded to bf16.
  bool rounds_prefix;
  // Steps between validations and between snapshots; 0: none before the end.
  int64_t validate_every, save_every;
  // Whether windows come in random order, a new one each epoch.
  bool shuffles;
  // The run ends after so many validations without a new best (−1: never), if the last is above the
  // best by more than the margin, in nats.
  int64_t patience;
  double patience_margin;
  // Bytes that the frozen blocks' outputs may take on disk for the text to train on, and for the
  // held-out one.
  int64_t training_cache_bytes, held_out_cache_bytes;
  int64_t threads;
} sft_settings;

// How a delta stores what trained.
typedef enum sft_change_kind {
  SFT_NEW_ROWS = 0,      // runs of rows of a tensor, one after the other in the parameter
  SFT_LOW_RANK = 1,      // new = base + scale · B·A; parameters A [rank, in], B [out, rank]
  SFT_HIDDEN_UNITS = 2,  // of a gated MLP: gate and up [units, D], down [D, units]
  SFT_NEW_TENSOR = 3,    // a tensor that the base does not have
} sft_change_kind;

typedef struct sft_change {
  // The model's tensor, the MLP, or the new tensor.
  char tensor[120];
  sft_change_kind kind;
  // Buffers of the training program.
  int64_t parameters[3], parameter_count;
  // Rank or hidden units, and the scale of low-rank factors.
  int64_t count;
  double scale;
  // Of new rows: all rows of the tensor, and whether it has one axis or two.
  int64_t tensor_rows, tensor_axes;
  // Of new rows, the first of each run and the one behind it; of a new tensor, its extents.
  int64_t *_Nullable numbers;
  int64_t number_count;
} sft_change;

// Parts of a run's files that only their writer knows, as JSON objects.
typedef enum sft_fragment_kind {
  SFT_STATE_VALUES = 0,   // what a state says beside progress
  SFT_DELTA_HEADER = 1,   // what a delta says beside metrics and entries
  SFT_START_EVENT = 2,    // what the first event says beside how the run was started
  SFT_PLAN_EVENT = 3,     // what the second event says beside bytes
  SFT_PLANNED_BYTES = 4,  // what these bytes are for
  SFT_FRAGMENTS = 5,
} sft_fragment_kind;

typedef struct sft_fragment {
  const char *_Nonnull text;  // without an end
  int64_t count;
} sft_fragment;

typedef struct sft_bundle sft_bundle;

// Opens a bundle in memory, which has to stay as long as it is open, and checks all of it: its
// hash, every place, and that no call can reach outside its buffers.
sft_status sft_bundle_open(const void *_Nonnull bytes, int64_t size,
                           sft_bundle *_Nullable *_Nonnull bundle, sft_error *_Nonnull error);
void sft_bundle_close(sft_bundle *_Nullable bundle);
const sft_settings *_Nonnull sft_bundle_settings(const sft_bundle *_Nonnull bundle);
// The changes that a delta of this step consists of, in its order.
int64_t sft_bundle_change_count(const sft_bundle *_Nonnull bundle);
const sft_change *_Nonnull sft_bundle_change(const sft_bundle *_Nonnull bundle, int64_t index);
// Token ids, and targets but for −1, which is not scored, have to be below this.
int64_t sft_bundle_vocabulary(const sft_bundle *_Nonnull bundle);
sft_fragment sft_bundle_fragment(const sft_bundle *_Nonnull bundle, sft_fragment_kind kind);
// Gets parts of a mapped checkpoint that have been read, so that not all of it is in memory at
// once; NULL where there is nothing to release. They may be read again.
typedef void sft_release(const void *_Nonnull part, int64_t bytes);
// Checks that a checkpoint is the bundle's, and whole.
sft_status sft_bundle_check(const sft_bundle *_Nonnull bundle, const void *_Nonnull checkpoint,
                            int64_t size, sft_release *_Nullable release,
                            sft_error *_Nonnull error);
// Bytes of the checkpoint that the programs read where they lie.
int64_t sft_bundle_mapped_bytes(const sft_bundle *_Nonnull bundle);
// Bytes of the arena for that many threads, their scratch included.
int64_t sft_bundle_arena_bytes(const sft_bundle *_Nonnull bundle, int64_t threads);

// ---- steps: a bundle bound to weights, an arena and threads

typedef enum sft_role { SFT_TRAINING = 0, SFT_VALIDATION = 1, SFT_PREFIX = 2 } sft_role;

typedef struct sft_step sft_step;

// Binds a bundle's programs and fills what they keep with what it holds before the first step.
//   checkpoint: the bytes of the checkpoint that the bundle was made for, 64-byte aligned; they
//     have to stay as long as the step is open, as have the bundle, the pool and the arena.
//   arena: `sft_bundle_arena_bytes`, 64-byte aligned, zeros.
sft_status sft_step_open(const sft_bundle *_Nonnull bundle, const void *_Nonnull checkpoint,
                         int64_t checkpoint_bytes, sft_pool *_Nonnull pool, sft_isa isa,
                         void *_Nonnull arena, sft_step *_Nullable *_Nonnull step,
                         sft_error *_Nonnull error);
// The same of a checkpoint that has been checked. What is copied of it is released, here and when
// the step is filled again.
sft_status sft_step_bind(const sft_bundle *_Nonnull bundle, const void *_Nonnull checkpoint,
                         sft_release *_Nullable release, sft_pool *_Nonnull pool, sft_isa isa,
                         void *_Nonnull arena, sft_step *_Nullable *_Nonnull step,
                         sft_error *_Nonnull error);
void sft_step_close(sft_step *_Nullable step);
// Fills what the programs keep again with what it holds before the first step.
void sft_step_restart(sft_step *_Nonnull step);
// The program of that role; NULL if the bundle has none.
sft_program *_Nullable sft_step_program(const sft_step *_Nonnull step, sft_role role);
// The memory of a program's port and the count of its elements of 4 bytes; NULL if it has none of
// that name.
void *_Nullable sft_step_port(const sft_step *_Nonnull step, sft_role role,
                              const char *_Nonnull name, int64_t *_Nonnull count);
// Outputs of the frozen blocks that are kept between batches: `read` puts a batch's at the step's
// inputs and returns true, or returns false, and `write` gets those that were computed. Both get
// `context`.
typedef struct sft_prefix_keeper {
  bool (*_Nonnull read)(void *_Nullable context);
  void (*_Nonnull write)(void *_Nullable context);
  void *_Nullable context;
} sft_prefix_keeper;

// Keeps the frozen blocks' outputs by these functions; NULL keeps none.
void sft_step_keep_prefix(sft_step *_Nonnull step, const sft_prefix_keeper *_Nullable keeper);
// The step's inputs that the frozen blocks compute, and the count of the floats of each: the index
// counts from 0, the outputs of lower blocks first. NULL behind the last.
float *_Nullable sft_step_prefix_input(const sft_step *_Nonnull step, int64_t index,
                                       int64_t *_Nonnull count);
// Sets what updates of step `number`, from 1, read: the learning rate and what depends on the step;
// `scored` targets count in all its micro-batches. Then runs what precedes the first of these.
void sft_step_begin(sft_step *_Nonnull step, int64_t number, double rate, int64_t scored);
// Runs forward and backward on the micro-batch that the ports hold, the frozen blocks included;
// returns the sum of the losses of its scored targets, in nats.
double sft_step_run_batch(sft_step *_Nonnull step);
// Updates the parameters; returns the gradient's norm before clipping.
double sft_step_finish(sft_step *_Nonnull step);
// The sum of the losses of the scored targets of the micro-batch that the ports hold, in nats.
double sft_step_score(sft_step *_Nonnull step);
// The learning rate of step `number`, from 1.
double sft_rate(const sft_settings *_Nonnull settings, int64_t number);
// Tokens of a step, scored or not.
int64_t sft_tokens_per_step(const sft_settings *_Nonnull settings);

#ifdef __cplusplus
}
#endif

#endif
