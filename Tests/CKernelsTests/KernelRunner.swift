import CKernels
import COpenBLAS
import Testing

/// Memory between two guard zones. The start is 8 bytes past a 64-byte boundary, so that a kernel
/// which assumes more alignment than elements have is found out; scratch starts on the boundary.
final class GuardedMemory {
  private static let guardBytes = 128
  private static let guardByte: UInt8 = 0xA5
  private let base: UnsafeMutableRawPointer
  private let offset: Int
  private let count: Int

  init(_ bytes: [UInt8], aligned: Bool = false) {
    count = bytes.count
    offset = Self.guardBytes + (aligned ? 0 : 8)
    let total = offset + count + Self.guardBytes
    base = .allocate(byteCount: total, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: Self.guardByte, count: total)
    bytes.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(start: start, count: count).copyMemory(from: $0)
    }
  }

  deinit { base.deallocate() }

  var start: UnsafeMutableRawPointer { base + offset }

  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }

  var guardsAreIntact: Bool {
    let all = UnsafeRawBufferPointer(start: base, count: offset + count + Self.guardBytes)
    return all[..<offset].allSatisfy { $0 == Self.guardByte }
      && all[(offset + count)...].allSatisfy { $0 == Self.guardByte }
  }
}

/// An sgemm that kernels are tested with.
struct Sgemm: Sendable {
  let name: String
  let function: sft_sgemm_function

  static let reference = Sgemm(name: "plain loops", function: sft_sgemm_reference)

  /// The plain loops, and OpenBLAS; its absence is a failure, since the package requires it.
  static let all: [Sgemm] = {
    var problem: UnsafePointer<CChar>?
    guard let function = sft_openblas_sgemm(&problem) else {
      Issue.record("\(problem.map { String(cString: $0) } ?? "OpenBLAS missing, no reason given")")
      return [reference]
    }
    return [reference, Sgemm(name: "OpenBLAS", function: function)]
  }()
}

let allInstructionSets = (0..<SFT_ISA_COUNT.rawValue).map(sft_isa.init(rawValue:))

/// Name → function of one instruction set.
func kernelTable(_ isa: sft_isa) -> [(name: String, function: sft_kernel)] {
  var count: Int64 = 0
  let rows = sft_kernel_table(isa, &count)
  return (0..<Int(count)).map { (String(cString: rows[$0].name), rows[$0].function) }
}

func kernel(_ name: String, _ isa: sft_isa) throws -> sft_kernel {
  try #require(kernelTable(isa).first { $0.name == name }, "no kernel \(name)").function
}

extension KernelCase {
  /// What every buffer holds after the kernel has run over `ranges`, one after the other.
  /// Records an issue if anything outside the buffers was written.
  func run(_ kernel: sft_kernel, _ sgemm: Sgemm, ranges: [Range<Int>]? = nil) -> [TestBuffer?] {
    let memory = buffers.map { $0.map { GuardedMemory($0.bytes) } }
    let scratch = GuardedMemory(Array(repeating: 0xFF, count: scratchFloats * 4), aligned: true)
    let none: UnsafeMutableRawPointer? = nil
    var call = sft_call(
      buffers: (none, none, none, none, none, none, none, none, none, none, none, none),
      sizes: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), scalars: (0, 0, 0, 0, 0, 0, 0, 0),
      sgemm: sgemm.function)
    withUnsafeMutableBytes(of: &call.buffers) { raw in
      let slots = raw.bindMemory(to: UnsafeMutableRawPointer?.self)
      for slot in memory.indices { slots[slot] = memory[aliases[slot] ?? slot]?.start }
    }
    withUnsafeMutableBytes(of: &call.sizes) { raw in
      let slots = raw.bindMemory(to: Int64.self)
      for (slot, size) in self.call.sizes.enumerated() { slots[slot] = Int64(size) }
    }
    withUnsafeMutableBytes(of: &call.scalars) { raw in
      let slots = raw.bindMemory(to: Float.self)
      for (slot, scalar) in self.call.scalars.enumerated() { slots[slot] = scalar }
    }
    for range in ranges ?? [0..<items] {
      kernel(&call, Int64(range.lowerBound), Int64(range.upperBound), scratch.start)
    }
    for (slot, memory) in memory.enumerated() {
      #expect(memory?.guardsAreIntact != false, "\(description): wrote outside buffer \(slot)")
    }
    #expect(scratch.guardsAreIntact, "\(description): wrote outside its scratch")
    return memory.enumerated().map { slot, memory in
      guard let memory, var buffer = buffers[slot], aliases[slot] == nil else { return nil }
      buffer.bytes = memory.bytes
      return visible(buffer, slot)
    }
  }
}

extension KernelCase {
  /// What counts of a buffer.
  func visible(_ buffer: TestBuffer?, _ slot: Int) -> TestBuffer? {
    guard var buffer, slot == 0, ignoresSecondHalves else { return buffer }
    let row = buffer.bytes.count / items
    buffer.bytes = (0..<items).flatMap { buffer.bytes[$0 * row..<$0 * row + row / 2] }
    return buffer
  }
}

/// The largest error over all buffers of two runs.
func largestError(_ found: [TestBuffer?], _ expected: [TestBuffer?]) -> Double {
  zip(found, expected).reduce(0) { worst, pair in
    guard let found = pair.0, let expected = pair.1 else { return worst }
    return max(worst, found.error(against: expected))
  }
}
