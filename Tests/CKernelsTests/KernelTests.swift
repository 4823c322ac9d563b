import CKernels
import Glibc
import Programs
import Testing

private let kernelNames = kernelTable(SFT_ISA_REFERENCE).map(\.name)

/// Every kernel on every instruction set of this CPU, against the plain loops.
@Suite struct KernelTests {
  @Test func everyKernelHasCases() {
    #expect(Set(kernelNames) == Set(kernelCases.keys))
  }

  /// Values agree, guard zones and inputs are unharmed, padding between rows keeps its bytes.
  @Test(arguments: kernelNames)
  func agreesWithReference(name: String) throws {
    let reference = try kernel(name, SFT_ISA_REFERENCE)
    var worst = 0.0
    for testCase in try #require(kernelCases[name]) {
      let expected = testCase.run(reference, .reference)
      for isa in allInstructionSets.dropFirst() where sft_isa_supported(isa) {
        let tuned = try kernel(name, isa)
        for sgemm in Sgemm.all {
          let found = testCase.run(tuned, sgemm)
          let error = largestError(found, expected)
          worst = max(worst, error)
          #expect(
            error <= testCase.tolerance,
            "\(testCase.description), \(String(cString: sft_isa_name(isa))), \(sgemm.name)")
        }
      }
    }
    if getenv("SPARSEFT_PRINT_ERRORS") != nil { print("observed error \(name) \(worst)") }
  }

  /// One call in several ranges gives what one range gives: the same bits where a slice's work
  /// does not depend on its neighbours', the same numbers where sgemm may sum differently.
  @Test(arguments: kernelNames)
  func rangesMakeTheWhole(name: String) throws {
    for testCase in try #require(kernelCases[name]) where testCase.items > 0 {
      let cuts = Set([testCase.items / 3, min(1, testCase.items), testCase.items - 1])
      for isa in allInstructionSets where sft_isa_supported(isa) {
        let function = try kernel(name, isa)
        let whole = testCase.run(function, .reference)
        for cut in cuts {
          let ranges = [0..<cut, cut..<testCase.items]
          let parts = testCase.run(function, .reference, ranges: ranges)
          let place = "\(testCase.description), \(String(cString: sft_isa_name(isa))), cut \(cut)"
          if testCase.splitsExactly {
            #expect(parts == whole, "\(place)")
          } else {
            #expect(largestError(parts, whole) <= testCase.tolerance, "\(place)")
          }
        }
      }
    }
  }

  /// A range whose items others own is not touched.
  @Test(arguments: kernelNames)
  func emptyRangeWritesNothing(name: String) throws {
    for testCase in try #require(kernelCases[name]) {
      for isa in allInstructionSets where sft_isa_supported(isa) {
        let after = testCase.run(try kernel(name, isa), .reference, ranges: [0..<0])
        for (slot, buffer) in after.enumerated() {
          let before = testCase.visible(testCase.buffers[slot], slot)
          #expect(buffer == nil || buffer == before, "\(testCase.description)")
        }
      }
    }
  }

  /// A diverged run must show: NaN goes through the branch-free exponential and the maximum.
  @Test func notANumberStaysVisible() throws {
    let poisoned: [Float] = (0..<40).map { $0 == 20 ? .nan : 1 }
    for isa in allInstructionSets where sft_isa_supported(isa) {
      let loss = KernelCase(
        .softmaxCrossEntropy(vocabulary: 40, wantsGradient: true), label: "NaN",
        buffers: [.floats(poisoned), .int32([0]), .floats([0]), nil], items: 1,
        tolerance: 0)
      let after = loss.run(try kernel("softmax_cross_entropy", isa), .reference)
      #expect(try #require(after[2]).numbers[0].isNaN)
      let activation = KernelCase(
        NamedKernel("swiglu"), label: "NaN",
        buffers: [.floats(poisoned), .floats(poisoned), .unset(40)], items: 40, tolerance: 0)
      let activated = try #require(activation.run(try kernel("swiglu", isa), .reference)[2]).numbers
      #expect(activated[20].isNaN && !activated[19].isNaN)
    }
  }
}
