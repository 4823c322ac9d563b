// Loads OpenBLAS while running: it reads its core type and thread count once, when it is loaded,
// and does not know CPUs younger than itself, so both are chosen before.
#define _GNU_SOURCE
#include "sft_openblas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// LAPACK's dgesdd as Fortran declares it; the last argument is the length of the first.
typedef void dgesdd_function(const char *job, const blasint *m, const blasint *n, double *a,
                             const blasint *lda, double *s, double *u, const blasint *ldu,
                             double *vt, const blasint *ldvt, double *work, const blasint *lwork,
                             blasint *iwork, blasint *info, size_t job_length);

static __typeof__(&cblas_sgemm) loaded_sgemm;
static __typeof__(&cblas_dgemm) loaded_dgemm;
static dgesdd_function *loaded_dgesdd;
static char problem_text[512];
static bool lacks_memory;
static char description_text[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

// The core type whose kernels suit this CPU, NULL to leave the choice to the library.
static const char *core_type(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return NULL;
}

static void describe(void *library) {
  __typeof__(&openblas_get_config) config =
      (__typeof__(&openblas_get_config))dlsym(library, "openblas_get_config");
  __typeof__(&openblas_get_corename) core_name =
      (__typeof__(&openblas_get_corename))dlsym(library, "openblas_get_corename");
  const char *text = config ? config() : "OpenBLAS", *core = core_name ? core_name() : "";
  bool named = strstr(text, core) != NULL;
  snprintf(description_text, sizeof description_text, "%s%s%s", text, named ? "" : " ",
           named ? "" : core);
}

// Adds variables to the environment, in place of those of the same names. Other threads may read it
// meanwhile, so the old list stays as it is and is never freed: setenv would free it. False where
// there is no memory for the new one.
static bool add_variables(const char *const *added, size_t count) {
  size_t size = 0;
  while (environ[size]) size++;
  char **list = calloc(size + count + 1, sizeof *list);
  if (!list) return false;
  size_t kept = 0;
  for (size_t i = 0; i < size; i++) {
    bool is_replaced = false;
    for (size_t j = 0; j < count; j++) {
      const size_t name = (size_t)(strchr(added[j], '=') - added[j]) + 1;
      is_replaced = is_replaced || strncmp(environ[i], added[j], name) == 0;
    }
    if (!is_replaced) list[kept++] = environ[i];
  }
  for (size_t j = 0; j < count; j++) list[kept++] = (char *)added[j];
  list[kept] = NULL;
  environ = list;
  return true;
}

// False where there is no memory for the choice: another core type would have other results.
static bool choose(void) {
  static char core_variable[64];
  const char *added[2];
  size_t count = 0;
  // The caller's threads share the work out; threads of the library's own would compete with them.
  added[count++] = "OPENBLAS_NUM_THREADS=1";
  const char *core = core_type();
  if (core && !getenv("OPENBLAS_CORETYPE")) {
    snprintf(core_variable, sizeof core_variable, "OPENBLAS_CORETYPE=%s", core);
    added[count++] = core_variable;
  }
  return add_variables(added, count);
}

// Whether the dynamic linker's reason is that it got no memory. It says so in many ways, of which
// only some end with the system's message; where it has none for its words, it gives no reason at
// all.
static bool is_lack_of_memory(const char *reason) {
  if (!reason || strstr(reason, strerror(ENOMEM))) return true;
  const char *starts[] = {"cannot create ", "cannot allocate ", "cannot extend ",
                          "cannot map ",    "failed to map ",   "out of memory"};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    if (strstr(reason, starts[i])) return true;
  }
  return false;
}

static void load(void) {
  lacks_memory = !choose();
  if (lacks_memory) return;
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    lacks_memory = is_lack_of_memory(reason);
    snprintf(problem_text, sizeof problem_text,
             "loading OpenBLAS: %s; expected libopenblas.so.0 on the library path; install it "
             "(Debian, Ubuntu: apt install libopenblas0)",
             reason ? reason : "unknown reason");
    return;
  }
  __typeof__(&cblas_sgemm) sgemm = (__typeof__(&cblas_sgemm))dlsym(library, "cblas_sgemm");
  if (!sgemm) {
    snprintf(problem_text, sizeof problem_text,
             "loading OpenBLAS: libopenblas.so.0 has no cblas_sgemm; install a build with CBLAS");
    return;
  }
  // In case the library had been loaded by somebody else before the variable was set.
  __typeof__(&openblas_set_num_threads) set_threads =
      (__typeof__(&openblas_set_num_threads))dlsym(library, "openblas_set_num_threads");
  if (set_threads) set_threads(1);
  describe(library);
  loaded_dgemm = (__typeof__(&cblas_dgemm))dlsym(library, "cblas_dgemm");
  loaded_dgesdd = (dgesdd_function *)dlsym(library, "dgesdd_");
  loaded_sgemm = sgemm;
}

static bool fits(int64_t value) { return value >= 0 && value <= INT_MAX; }

// OpenBLAS takes 32-bit sizes, complains about leading dimensions of 0, and need not be asked about
// empty products; such calls go to the plain loops, which mean the same.
static void openblas_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                           float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                           float beta, float *c, int64_t ldc) {
  bool usable = fits(m) && fits(n) && fits(k) && fits(lda) && fits(ldb) && fits(ldc);
  if (!usable || m <= 0 || n <= 0 || k <= 0) {
    sft_sgemm_reference(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  loaded_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
               transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
               a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

sft_sgemm_function sft_openblas_sgemm(const char **problem) {
  pthread_once(&once, load);
  if (!loaded_sgemm) {
    if (problem) *problem = lacks_memory ? NULL : problem_text;
    return NULL;
  }
  return openblas_sgemm;
}

sft_decomposition sft_openblas_right_singular_vectors(int64_t rows, int64_t columns, double *a,
                                                      double *s, double *v, const char **problem) {
  pthread_once(&once, load);
  if (!loaded_sgemm && lacks_memory) return SFT_NO_ROOM;
  if (!loaded_dgesdd) {
    if (problem) {
      *problem = loaded_sgemm ? "libopenblas.so.0 has no dgesdd: it was built without LAPACK"
                              : problem_text;
    }
    return SFT_NO_LAPACK;
  }
  const int64_t least = rows < columns ? rows : columns;
  // LAPACK computes offsets in blasint.
  if (least <= 0 || !fits(rows) || !fits(columns) || rows > INT_MAX / columns) return SFT_NO_ROOM;
  // Read by columns the matrix is its transpose, whose left singular vectors are the right ones.
  const blasint m = (blasint)columns, n = (blasint)rows, k = (blasint)least;
  double *other = malloc(sizeof(double) * (size_t)(least * rows));
  blasint *integers = malloc(sizeof(blasint) * 8 * (size_t)least);
  sft_decomposition outcome = SFT_NO_ROOM;
  if (other && integers) {
    blasint info = 0, query = -1;
    double size = 0;
    loaded_dgesdd("S", &m, &n, a, &m, s, v, &m, other, &k, &size, &query, integers, &info, 1);
    double *work =
        info == 0 && size > 0 && size < INT_MAX ? malloc(sizeof(double) * (size_t)size) : NULL;
    if (work) {
      const blasint length = (blasint)size;
      loaded_dgesdd("S", &m, &n, a, &m, s, v, &m, other, &k, work, &length, integers, &info, 1);
      outcome = info == 0 ? SFT_DECOMPOSED : SFT_NOT_CONVERGED;
      free(work);
    }
  }
  free(other);
  free(integers);
  return outcome;
}

bool sft_openblas_dgemm_nt(int64_t m, int64_t n, int64_t k, const double *a, const double *b,
                           double *c) {
  pthread_once(&once, load);
  if (!loaded_dgemm || m <= 0 || n <= 0 || k <= 0 || !fits(m) || !fits(n) || !fits(k)) return false;
  loaded_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
               (blasint)k, b, (blasint)k, 0, c, (blasint)n);
  return true;
}

const char *sft_openblas_description(void) { return description_text; }
