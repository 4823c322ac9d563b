import CKernels
import Testing

/// The cases and the results of the plain loops, as run_cases.c reads them.
func caseFile(_ cases: [KernelCase]) throws -> [UInt8] {
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
