// Stands between a program and the C library (LD_PRELOAD): its requests for memory and threads are
// counted, and the one that the environment names is refused.
//
//   FAULT_KIND    whose requests count:
//                 "library"  memory for C and C++: who asked for it is the program's own code or a
//                            library that it calls, be it through the C or C++ library (opendir,
//                            strdup, operator new); but for the messages that SentencePiece
//                            builds, whose protobuf ends the process instead of failing
//                 "swift"    memory for Swift: its runtime's, and frames of coroutines, for which
//                            compiled code calls malloc itself (the program's C code calls calloc)
//                 "mapping"  mmap
//                 "thread"   pthread_create and posix_spawn
//   FAULT_CALL    number of the request, from 1; 0 for none
//   FAULT_PLACES  a file that is written when the program ends: the number of requests, then, but
//   for
//                 "swift", the
//                 first and the last request of each way that the program came to one
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include <unwind.h>

// What the C library itself calls these functions.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// Who asks: a library that others ask through, the program, a library of its, Swift's runtime.
enum asker { UNKNOWN, GO_BETWEEN, PROGRAM, LIBRARY, SWIFT, NOBODY };
static const struct {
  const char *name;
  enum asker asker;
} askers[] = {
    {"/libc.so", GO_BETWEEN}, {"/libstdc++", GO_BETWEEN},     {"/ld-linux", GO_BETWEEN},
    {"/libcrypto", LIBRARY},  {"/libpcre2", LIBRARY},         {"/libsentencepiece", LIBRARY},
    {"/libswiftCore", SWIFT}, {"/tool-failing_", GO_BETWEEN},
};

static struct {
  uintptr_t start, end;
  enum asker asker;
} modules[64];
static int module_count;
static int is_program, wants_swift, wanted_call, is_counting_places, counts_memory, counts_mappings,
    counts_threads;
static atomic_int calls;
static _Thread_local int is_inside __attribute__((tls_model("initial-exec")));

// The first and the last request of each way to one, by a hash of its return addresses.
enum { PLACES = 1 << 14, DEPTH = 24 };
static struct {
  uint64_t hash;
  int first, last;
} places[PLACES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int add_module(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size, (void)context;
  const char *name = info->dlpi_name;
  enum asker asker = name[0] == 0 ? PROGRAM : UNKNOWN;
  for (size_t i = 0; i < sizeof askers / sizeof askers[0]; i++) {
    if (strstr(name, askers[i].name) != NULL) asker = askers[i].asker;
  }
  for (int i = 0; i < info->dlpi_phnum && module_count < 64; i++) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X)) continue;
    modules[module_count].start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    modules[module_count].end = modules[module_count].start + info->dlpi_phdr[i].p_memsz;
    modules[module_count++].asker = asker;
  }
  return 0;
}

__attribute__((constructor)) static void begin(void) {
  const char *call = getenv("FAULT_CALL"), *kind = getenv("FAULT_KIND");
  // The shell that starts the program is none of it.
  char own[4096] = "";
  if (readlink("/proc/self/exe", own, sizeof own - 1) < 0) return;
  const char *name = strrchr(own, '/');
  if (kind == NULL || name == NULL || strcmp(name, "/sparseft") != 0) return;
  is_program = 1;
  dl_iterate_phdr(add_module, NULL);
  wanted_call = call != NULL ? atoi(call) : 0;
  is_counting_places = getenv("FAULT_PLACES") != NULL && strcmp(kind, "swift") != 0;
  counts_mappings = strcmp(kind, "mapping") == 0;
  counts_threads = strcmp(kind, "thread") == 0;
  wants_swift = strcmp(kind, "swift") == 0;
  counts_memory = strcmp(kind, "library") == 0 || wants_swift;
}

__attribute__((destructor)) static void write_places(void) {
  const char *path = getenv("FAULT_PLACES");
  counts_memory = counts_mappings = counts_threads = 0;
  FILE *file = is_program && path != NULL ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  fprintf(file, "%d\n", atomic_load(&calls));
  for (int i = 0; i < PLACES; i++) {
    if (places[i].hash != 0) fprintf(file, "%d %d\n", places[i].first, places[i].last);
  }
  fclose(file);
}

static enum asker asker_at(uintptr_t address) {
  for (int i = 0; i < module_count; i++) {
    if (address >= modules[i].start && address < modules[i].end) return modules[i].asker;
  }
  return UNKNOWN;
}

struct way {
  uint64_t hash;
  int depth;
  enum asker asker;
  int builds_message;
};

// Whether a place in a library is where SentencePiece builds a message: of a model, a text or ids.
static int builds_message(uintptr_t address) {
  Dl_info info;
  return dladdr((void *)address, &info) != 0 && info.dli_sname != NULL &&
         (strstr(info.dli_sname, "google8protobuf") != NULL ||
          strstr(info.dli_sname, "PopulateSentencePieceText") != NULL ||
          strstr(info.dli_sname, "SentencePieceProcessor6Decode") != NULL);
}

static int is_wanted(enum asker asker) {
  return wants_swift ? asker == SWIFT : asker == PROGRAM || asker == LIBRARY;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *opaque) {
  struct way *way = opaque;
  uintptr_t address = _Unwind_GetIP(context);
  enum asker asker = asker_at(address);
  if (way->asker == NOBODY && asker != GO_BETWEEN) way->asker = asker;
  if (way->asker == NOBODY) return _URC_NO_REASON;
  way->hash = (way->hash ^ address) * 0x9E3779B97F4A7C15u;
  way->hash ^= way->hash >> 29;
  way->depth++;
  // Who asks is known at the first frame that is no go-between's.
  if (!is_wanted(way->asker)) return _URC_END_OF_STACK;
  if (asker == LIBRARY && builds_message(address)) way->builds_message = 1;
  int is_done = !is_counting_places && asker != LIBRARY && asker != GO_BETWEEN;
  return is_done || way->depth >= DEPTH ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static void note_place(uint64_t hash, int number) {
  pthread_mutex_lock(&mutex);
  hash |= hash == 0;
  for (uint64_t i = hash % PLACES, tries = 0; tries < PLACES; i = (i + 1) % PLACES, tries++) {
    if (places[i].hash != 0 && places[i].hash != hash) continue;
    if (places[i].hash == 0) places[i].first = number;
    places[i].hash = hash;
    places[i].last = number;
    break;
  }
  pthread_mutex_unlock(&mutex);
}

// Whether a request is to be refused.
static int is_refused(void *caller, int is_malloc) {
  enum asker direct = asker_at((uintptr_t)caller);
  if (is_malloc && direct == PROGRAM) direct = SWIFT;
  if (is_inside || (!is_wanted(direct) && direct != GO_BETWEEN)) return 0;
  is_inside = 1;
  struct way way = {0, 0, NOBODY, 0};
  if (direct != SWIFT || is_counting_places) _Unwind_Backtrace(step, &way);
  int refused = 0;
  if (is_wanted(direct == GO_BETWEEN ? way.asker : direct) && !way.builds_message) {
    int number = atomic_fetch_add(&calls, 1) + 1;
    refused = number == wanted_call;
    if (is_counting_places) note_place(way.hash, number);
  }
  is_inside = 0;
  return refused;
}

#define CALLER __builtin_return_address(0)
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE_IF(condition, error) \
  if (condition) {                  \
    errno = error;                  \
    return NULL;                    \
  }

void *malloc(size_t size) {
  REFUSE_IF(counts_memory && is_refused(CALLER, 1), ENOMEM);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  REFUSE_IF(counts_memory && is_refused(CALLER, 0), ENOMEM);
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  REFUSE_IF(counts_memory && size > 0 && is_refused(CALLER, 0), ENOMEM);
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  REFUSE_IF(counts_memory && is_refused(CALLER, 0), ENOMEM);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  REFUSE_IF(counts_memory && is_refused(CALLER, 0), ENOMEM);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (counts_memory && is_refused(CALLER, 0)) return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory != NULL ? 0 : ENOMEM;
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  if (counts_mappings && is_refused(CALLER, 0)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return NEXT(mmap)(address, size, protection, flags, descriptor, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
  if (counts_threads && is_refused(CALLER, 0)) return EAGAIN;
  return NEXT(pthread_create)(thread, attributes, body, argument);
}

int posix_spawn(pid_t *process, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const *arguments,
                char *const *variables) {
  if (counts_threads && is_refused(CALLER, 0)) return EAGAIN;
  return NEXT(posix_spawn)(process, path, actions, attributes, arguments, variables);
}
