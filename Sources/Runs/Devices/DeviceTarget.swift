/// A kind of machine that a training binary is built for.
public enum DeviceTarget: String, CaseIterable, Sendable {
  /// The kind that this program runs on.
  case host
  case aarch64, armhf, riscv64, wasm32

  /// The compiler in the Makefile, as Debian names cross compilers. gcc's kernels do without the matrix
  /// unit, and Debian's makes no use of RISC-V's vectors.
  func compiler(for instructionSet: String) -> String {
    switch self {
    case .host: instructionSet == "avx512amx" ? "clang" : "cc"
    case .riscv64 where instructionSet == "rvv": "clang --target=riscv64-linux-gnu"
    case .aarch64: "aarch64-linux-gnu-gcc"
    case .armhf: "arm-linux-gnueabihf-gcc"
    case .riscv64: "riscv64-linux-gnu-gcc"
    case .wasm32: "clang --target=wasm32-wasi"
    }
  }

  /// The instruction sets that a binary for it can be built with, the usual one first; none for
  /// `host`, which says itself what it has.
  var instructionSets: [String] {
    switch self {
    case .host: []
    case .aarch64: ["neon", "neonbf16", "portable", "reference"]
    case .armhf: ["neon", "portable", "reference"]
    case .riscv64: ["portable", "rvv", "reference"]
    case .wasm32: ["portable", "reference"]
    }
  }

  /// Flags of the compiler, with a space behind them, and of the linker, and libraries. The linker that
  /// clang takes may know nothing of RISC-V.
  func flags(
    for instructionSet: String
  ) -> (compiler: String, linker: String, libraries: String) {
    switch self {
    case .host: ("", "-s", "-lm -lpthread")
    case .riscv64 where instructionSet == "rvv":
      ("", "-s -static -fuse-ld=lld", "-lm -lpthread")
    case .aarch64, .riscv64: ("", "-s -static", "-lm -lpthread")
    case .armhf: ("-mfloat-abi=hard ", "-s -static", "-lm -lpthread")
    case .wasm32:
      ("-DSFT_NO_THREADS -DSFT_NO_MMAP -DSFT_NO_SIGNALS -msimd128 ", "-s", "-lm")
    }
  }

  /// Flags of the compiler that an instruction set needs, by its name. In 32 bits NEON has no subnormal
  /// numbers: gcc computes floats by it only where it may be unsafe, and is kept from all else that it
  /// would then do.
  var instructionSetFlags: [(instructionSet: String, flags: String)] {
    switch self {
    case .host, .aarch64, .wasm32: []
    case .armhf:
      [
        (
          "neon",
          "-mfpu=neon-vfpv4 -funsafe-math-optimizations -fno-associative-math -fno-reciprocal-math "
            + "-fsigned-zeros"
        )
      ]
    case .riscv64: [("rvv", "-march=rv64gcv")]
    }
  }

  /// Whether programs may have more than one thread.
  var hasThreads: Bool { self != .wasm32 }

  /// The name of the binary.
  var binary: String { self == .wasm32 ? "train.wasm" : "train" }
}
