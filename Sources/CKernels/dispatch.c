// Which instruction sets this CPU has, and the kernel table of each.
#define _DEFAULT_SOURCE  // syscall
#include "kernel.h"

#if (defined(SFT_ARM) || defined(SFT_ARM32) || defined(SFT_RISCV)) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(SFT_X86) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(SFT_X86)
// __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
static bool has_avx2(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx512bf16(void) {
  return has_avx512() && __builtin_cpu_supports("avx512bf16") &&
         __builtin_cpu_supports("avx512vnni");
}

// A process has to ask Linux for the matrix unit's registers before any of its threads uses them;
// where that is refused, or the system is another one, the unit is taken for absent, and so it is
// where gcc has compiled its kernels.
static bool has_avx512amx(void) {
#if defined(__linux__) && defined(SYS_arch_prctl) && defined(__clang__)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  const unsigned tile = 1u << 24, bf16 = 1u << 22, int8 = 1u << 25, needed = tile | bf16 | int8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!has_avx512bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (d & needed) == needed && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return false;
#endif
}
#elif defined(SFT_ARM)
// Linux says what it and the CPU support; other systems, and headers too old to name it, are taken
// for a no.
static bool has_neonbf16(void) {
#if defined(HWCAP2_BF16) && defined(HWCAP2_I8MM)
  const unsigned long needed = HWCAP2_BF16 | HWCAP2_I8MM;
  return (getauxval(AT_HWCAP2) & needed) == needed;
#else
  return false;
#endif
}
#elif defined(SFT_ARM32)
// Bits 12 and 16 of what Linux says of the CPU.
static bool has_neon(void) {
#if defined(__linux__)
  const unsigned long neon = 1ul << 12, vfpv4 = 1ul << 16;
  return (getauxval(AT_HWCAP) & (neon | vfpv4)) == (neon | vfpv4);
#else
  return false;
#endif
}
#elif defined(SFT_RISCV)
// Linux says which of the extensions of one letter there are, a bit each.
static bool has_rvv(void) {
#if defined(__linux__)
  return getauxval(AT_HWCAP) & (1ul << ('v' - 'a'));
#else
  return false;
#endif
}
#endif

bool sft_isa_supported(sft_isa isa) {
  switch (isa) {
    case SFT_ISA_REFERENCE:
    case SFT_ISA_PORTABLE:
      return true;
#if defined(SFT_X86)
    case SFT_ISA_AVX2:
      return has_avx2();
    case SFT_ISA_AVX512:
      return has_avx512();
    case SFT_ISA_AVX512BF16:
      return has_avx512bf16();
    case SFT_ISA_AVX512AMX:
      return has_avx512amx();
#elif defined(SFT_ARM)
    case SFT_ISA_NEON:
      return true;
    case SFT_ISA_NEONBF16:
      return has_neonbf16();
#elif defined(SFT_ARM32)
    case SFT_ISA_NEON:
      return has_neon();
#elif defined(SFT_RISCV)
    case SFT_ISA_RVV:
      return has_rvv();
#endif
    default:
      return false;
  }
}

const char *sft_isa_name(sft_isa isa) {
  switch (isa) {
    case SFT_ISA_REFERENCE:
      return "reference";
    case SFT_ISA_PORTABLE:
      return "portable";
    case SFT_ISA_AVX2:
      return "avx2";
    case SFT_ISA_AVX512:
      return "avx512";
    case SFT_ISA_AVX512BF16:
      return "avx512bf16";
    case SFT_ISA_AVX512AMX:
      return "avx512amx";
    case SFT_ISA_NEON:
      return "neon";
    case SFT_ISA_NEONBF16:
      return "neonbf16";
    case SFT_ISA_RVV:
      return "rvv";
    default:
      return "unknown";
  }
}

#ifdef SFT_BUILD_ISA

// A program with the kernels of one instruction set, by its name: -DSFT_BUILD_ISA=neon.
#define SFT_TEXT_(name) #name
#define SFT_TEXT(name) SFT_TEXT_(name)
#define SFT_BUILT_(prefix, isa) prefix##isa
#define SFT_BUILT(prefix, isa) SFT_BUILT_(prefix, isa)

sft_isa sft_isa_best(void) {
  sft_isa isa = SFT_ISA_REFERENCE;
  while (isa < SFT_ISA_COUNT && strcmp(sft_isa_name(isa), SFT_TEXT(SFT_BUILD_ISA)) != 0) ++isa;
  return isa;
}

const sft_kernel_row *sft_kernel_table(SFT_UNUSED sft_isa isa, int64_t *count) {
  *count = SFT_KERNEL_COUNT;
  return SFT_BUILT(sft_table_, SFT_BUILD_ISA);
}

sft_sgemm_function sft_sgemm_of(SFT_UNUSED sft_isa isa) {
  return SFT_BUILT(sft_sgemm_, SFT_BUILD_ISA);
}

#else

sft_isa sft_isa_best(void) {
  // Those of other architectures are not supported, so that each passes over the other's.
  for (sft_isa isa = SFT_ISA_COUNT - 1; isa > SFT_ISA_PORTABLE; --isa) {
    if (sft_isa_supported(isa)) return isa;
  }
  return SFT_ISA_PORTABLE;
}

const sft_kernel_row *sft_kernel_table(sft_isa isa, int64_t *count) {
  *count = SFT_KERNEL_COUNT;
  switch (isa) {
    case SFT_ISA_REFERENCE:
      return sft_table_reference;
#if defined(SFT_X86)
    case SFT_ISA_AVX2:
      return sft_table_avx2;
    case SFT_ISA_AVX512:
      return sft_table_avx512;
    case SFT_ISA_AVX512BF16:
      return sft_table_avx512bf16;
    case SFT_ISA_AVX512AMX:
      return sft_table_avx512amx;
#elif defined(SFT_ARM)
    case SFT_ISA_NEON:
      return sft_table_neon;
    case SFT_ISA_NEONBF16:
      return sft_table_neonbf16;
#elif defined(SFT_ARM32)
    case SFT_ISA_NEON:
      return sft_table_neon;
#elif defined(SFT_RISCV)
    case SFT_ISA_RVV:
      return sft_table_rvv;
#endif
    default:
      return sft_table_portable;
  }
}

sft_sgemm_function sft_sgemm_of(sft_isa isa) {
  switch (isa) {
    case SFT_ISA_REFERENCE:
      return sft_sgemm_reference;
#if defined(SFT_X86)
    case SFT_ISA_AVX2:
      return sft_sgemm_avx2;
    case SFT_ISA_AVX512:
      return sft_sgemm_avx512;
    case SFT_ISA_AVX512BF16:
      return sft_sgemm_avx512bf16;
    case SFT_ISA_AVX512AMX:
      return sft_sgemm_avx512amx;
#elif defined(SFT_ARM)
    case SFT_ISA_NEON:
      return sft_sgemm_neon;
    case SFT_ISA_NEONBF16:
      return sft_sgemm_neonbf16;
#elif defined(SFT_ARM32)
    case SFT_ISA_NEON:
      return sft_sgemm_neon;
#elif defined(SFT_RISCV)
    case SFT_ISA_RVV:
      return sft_sgemm_rvv;
#endif
    default:
      return sft_sgemm_portable;
  }
}

#endif
