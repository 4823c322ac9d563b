import CKernels
import Glibc
import TestSupport
import Testing

// Every case of every kernel on the instruction sets of 64-bit Arm: compiled for it, and run by an
// emulator, since tests mostly run on x86. On Arm itself, KernelTests covers them.
#if !arch(arm64)

  @Suite struct ArmTests {
    @Test(.enabled(if: ArmTools.arePresentOrRequired, ArmTools.skipReason))
    func agreesWithReference() throws {
      try #require(ArmTools.missing.isEmpty, "missing \(ArmTools.missing); \(ArmTools.skipReason)")
      let folder = try TemporaryFolder()
      let cases = kernelCases.sorted { $0.key < $1.key }.flatMap(\.value)
      let file = try folder.write(caseFile(cases), to: "cases")
      let program = folder["run_cases"]
      let compiled = try shell(ArmTools.compilation(of: program))
      try #require(compiled.status == 0, "\(compiled.output)")

      let run = try shell("qemu-aarch64 -cpu max \(quoted(program)) \(quoted(file))")
      #expect(run.status == 0, "\(run.output)")
      for name in ["portable", "neon", "neonbf16"] {
        let hasRunAll = run.output.contains("\(name): \(cases.count) cases, 0 failed\n")
        #expect(hasRunAll, "\(name)")
      }
      if getenv("SPARSEFT_PRINT_ERRORS") != nil { print(run.output) }
    }
  }

  /// What compiles for Arm and runs it here.
  private enum ArmTools {
    static let skipReason: Comment = """
      no tools for Arm: install clang (part of Swift, on the PATH) and the packages \
      gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user
      """

    /// Tools that are not there.
    static let missing: [String] = {
      let programs = ["clang", "aarch64-linux-gnu-ld", "qemu-aarch64"].filter { name in
        system("command -v \(name) >/dev/null 2>&1") != 0
      }
      let header = "/usr/aarch64-linux-gnu/include/stdio.h"
      return programs + (access(header, R_OK) == 0 ? [] : [header])
    }()

    /// True where the tools are at hand, and in CI, where absent tools must fail the test.
    static var arePresentOrRequired: Bool { missing.isEmpty || getenv("CI") != nil }

    /// Compiles the kernels, as Package.swift does, and the program that runs cases. It is linked
    /// statically, so that the emulator needs no libraries of that architecture.
    static func compilation(of program: String) -> String {
      let root = SharedData.packageRoot
      let kernels = quoted(root + "/Sources/CKernels")
      return """
        clang --target=aarch64-linux-gnu -O3 -fno-math-errno -fno-strict-aliasing -Wall -Werror \
        -static -I\(kernels)/include \(kernels)/*.c \(kernels)/*/*.c \
        \(quoted(root + "/Tests/CKernelsTests/CaseRunner/run_cases.c")) -o \(quoted(program)) -lm
        """
    }
  }

#endif
