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
        \(quoted(root + "/Tests/CKernelsTests/Arm/run_cases.c")) -o \(quoted(program)) -lm
        """
    }
  }

  private func quoted(_ path: String) -> String { "'\(path)'" }

  /// What a shell command says, on both of its outputs, and its exit status as `wait` has it.
  private func shell(_ command: String) throws -> (status: Int32, output: String) {
    let stream = try #require(popen("exec 2>&1; \(command)", "re"), "no process")
    var output: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = fread(&block, 1, block.count, stream)
      if count == 0 { break }
      output += block[..<count]
    }
    return (pclose(stream), String(decoding: output, as: UTF8.self))
  }

  /// The cases and the results of the plain loops, as run_cases.c reads them.
  private func caseFile(_ cases: [KernelCase]) throws -> [UInt8] {
    var file = CaseFile()
    file.append(cases.count)
    for testCase in cases {
      let reference = try kernel(testCase.kernel, SFT_ISA_REFERENCE)
      file.append(testCase, expected: testCase.run(reference, .reference))
    }
    return file.bytes
  }

  /// Numbers of 8 bytes, and bytes after their count.
  private struct CaseFile {
    var bytes: [UInt8] = []

    mutating func append(_ value: Int) { append(raw: value) }

    private mutating func append(raw value: some BitwiseCopyable) {
      withUnsafeBytes(of: value) { bytes += $0 }
    }

    private mutating func append(counted content: [UInt8]) {
      append(content.count)
      bytes += content
    }

    mutating func append(_ testCase: KernelCase, expected: [TestBuffer?]) {
      append(counted: Array(testCase.kernel.utf8) + [0])
      append(counted: Array(testCase.label.utf8) + [0])
      append(testCase.items)
      append(testCase.scratchFloats * 4)
      append(raw: testCase.tolerance)
      append(testCase.call.sizes.count)
      for size in testCase.call.sizes { append(size) }
      append(testCase.call.scalars.count)
      for scalar in testCase.call.scalars { append(raw: Double(scalar)) }
      append(testCase.buffers.count)
      for slot in testCase.buffers.indices { append(testCase, slot, expected[slot]) }
    }

    private mutating func append(_ testCase: KernelCase, _ slot: Int, _ expected: TestBuffer?) {
      guard let buffer = testCase.buffers[slot] else { return append(-1) }
      append(buffer.element.code)
      append(testCase.aliases[slot] ?? slot)
      append(counted: buffer.bytes)
      guard let expected else { return append(0) }
      append(1)
      let hasRows = slot == 0 && testCase.ignoresSecondHalves
      let row = hasRows ? buffer.bytes.count / testCase.items : buffer.bytes.count
      append(row)
      append(hasRows ? row / 2 : row)
      bytes += expected.bytes
    }
  }

  extension TestBuffer.Element {
    /// Its number in run_cases.c.
    fileprivate var code: Int {
      switch self {
      case .float: 0
      case .double: 1
      case .bits16: 2
      case .bits8: 3
      case .int32: 4
      }
    }
  }

#endif
