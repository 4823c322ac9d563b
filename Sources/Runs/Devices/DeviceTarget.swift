/// A kind of machine that a training binary is built for.
public enum DeviceTarget: String, CaseIterable, Sendable {
  /// The kind that this program runs on.
  case host
  case aarch64, armhf, riscv64, wasm32

  /// The compiler in the Makefile, as Debian names cross compilers.
  var compiler: String {
    switch self {
    case .host: "cc"
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
    case .armhf, .riscv64, .wasm32: ["portable", "reference"]
    }
  }

  /// Flags of the compiler, with a space behind them, and of the linker, and libraries.
  var flags: (compiler: String, linker: String, libraries: String) {
    switch self {
    case .host: ("", "-s", "-lm -lpthread")
    case .aarch64, .riscv64: ("", "-s -static", "-lm -lpthread")
    case .armhf: ("-mfpu=neon-vfpv4 -mfloat-abi=hard ", "-s -static", "-lm -lpthread")
    case .wasm32:
      ("-DSFT_NO_THREADS -DSFT_NO_MMAP -DSFT_NO_SIGNALS -msimd128 ", "-s", "-lm")
    }
  }

  /// Whether programs may have more than one thread.
  var hasThreads: Bool { self != .wasm32 }

  /// The name of the binary.
  var binary: String { self == .wasm32 ? "train.wasm" : "train" }
}
