import CKernels
import Glibc
import TestSupport
import Testing

// Kernels and executor as devices without Swift build them: strict C11, no warnings, with gcc and
// with clang.
@Suite struct CompilerTests {
  /// Every case of every kernel as gcc compiles it, on every instruction set of this CPU that gcc
  /// has kernels for.
  @Test(.enabled(if: CompilerTools.arePresentOrRequired, CompilerTools.skipReason))
  func gccsKernelsAgreeWithReference() throws {
    try #require(CompilerTools.missing.isEmpty, "\(CompilerTools.skipReason)")
    let folder = try TemporaryFolder()
    let cases = kernelCases.sorted { $0.key < $1.key }.flatMap(\.value)
    let file = try folder.write(caseFile(cases), to: "cases")
    let runner = SharedData.packageRoot + "/Tests/CKernelsTests/CaseRunner/run_cases.c"
    let compile = "gcc \(CompilerTools.flags) -O1 -fno-math-errno -fno-strict-aliasing"
    let compiled = try shell(
      """
      cd \(quoted(folder.path)) && printf '%s\\0' \(CompilerTools.kernels) \(quoted(runner)) \
      | xargs -0 -P 4 -n 1 \(compile) -c && gcc *.o -o run_cases -lm
      """)
    try #require(compiled.status == 0, "\(compiled.output)")

    let run = try shell("\(quoted(folder["run_cases"])) \(quoted(file))")
    #expect(run.status == 0, "\(run.output)")
    let isas = allInstructionSets.dropFirst().filter(sft_isa_supported)
    for isa in isas where isa != SFT_ISA_AVX512AMX {
      let name = String(cString: sft_isa_name(isa))
      let hasRunAll = run.output.contains("\(name): \(cases.count) cases, 0 failed\n")
      #expect(hasRunAll, "\(name)")
    }
  }

  @Test(arguments: [
    "gcc", "clang", "aarch64-linux-gnu-gcc", "riscv64-linux-gnu-gcc",
    "arm-linux-gnueabihf-gcc -mfpu=neon-vfpv4", "clang --target=riscv64-linux-gnu -march=rv64gcv",
  ])
  func buildsWithoutWarnings(_ compiler: String) throws {
    let program = String(compiler.prefix { $0 != " " })
    // clang needs the headers of a library, which come with gcc's.
    let isCross = compiler.contains("--target=riscv64")
    guard CompilerTools.isPresent(program),
      !isCross || CompilerTools.isPresent("riscv64-linux-gnu-gcc")
    else {
      // CI has no compiler for Arm of 32 bits.
      #expect(getenv("CI") == nil || program.hasPrefix("arm-"), "no \(compiler)")
      return
    }
    let build = try shell(
      """
      printf '%s\\0' \(CompilerTools.kernels) \(CompilerTools.runtime) \
      | xargs -0 -P 4 -n 1 \(compiler) \(CompilerTools.flags) -O1 -fsyntax-only
      """)
    #expect(build.status == 0, "\(build.output)")
  }
}

private enum CompilerTools {
  static let skipReason: Comment = "no gcc: install the packages gcc and libc6-dev"

  static let missing: [String] = ["gcc"].filter { !isPresent($0) }

  /// True where the tools are at hand, and in CI, where absent tools must fail the test.
  static var arePresentOrRequired: Bool { missing.isEmpty || getenv("CI") != nil }

  static func isPresent(_ program: String) -> Bool {
    system("command -v \(program) >/dev/null 2>&1") == 0
  }

  private static let folder = quoted(SharedData.packageRoot + "/Sources")
  static let kernels = "\(folder)/CKernels/*.c \(folder)/CKernels/*/*.c"
  static let runtime = "\(folder)/CRuntime/*.c \(folder)/CRuntime/train/*.c"
  static let flags = """
    -std=c11 -Wall -Wextra -Werror -I\(folder)/CKernels/include -I\(folder)/CRuntime/include \
    -I\(folder)/CRuntime
    """
}
