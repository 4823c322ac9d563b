import CKernels
import COpenBLAS
import Glibc
import Testing

/// Whether OpenBLAS was there before `main`: then it has chosen its core type by itself.
private let isLinkedEagerly = dlsym(nil, "cblas_sgemm") != nil

@Suite struct DispatchTests {
  @Test func tablesListTheSameKernels() {
    let names = kernelTable(SFT_ISA_REFERENCE).map(\.name)
    #expect(names.first == "linear_f32" && names.last == "probe_bytes")
    #expect(Set(names).count == names.count)
    for isa in allInstructionSets { #expect(kernelTable(isa).map(\.name) == names) }
  }

  /// Who forces an instruction set by name finds it among these names.
  @Test func namesTellInstructionSetsApart() {
    let names = allInstructionSets.map { String(cString: sft_isa_name($0)) }
    #expect(
      names == [
        "reference", "portable", "avx2", "avx512", "avx512bf16", "avx512amx", "neon", "neonbf16",
        "rvv",
      ])
    #expect(String(cString: sft_isa_name(sft_isa(rawValue: 9))) == "unknown")
  }

  @Test func bestIsSupported() {
    let best = sft_isa_best()
    #expect(sft_isa_supported(best) && best != SFT_ISA_REFERENCE)
    #expect(sft_isa_supported(SFT_ISA_REFERENCE) && sft_isa_supported(SFT_ISA_PORTABLE))
    #expect(!sft_isa_supported(sft_isa(rawValue: 9)))
    for isa in allInstructionSets where sft_isa_supported(isa) {
      #expect(isa.rawValue <= best.rawValue)
    }
  }

  /// Instruction sets have kernels of their own, not one table under several names.
  @Test func supportedTablesDiffer() {
    let addresses = allInstructionSets.filter(sft_isa_supported).map { isa in
      var count: Int64 = 0
      return sft_kernel_table(isa, &count)
    }
    #expect(Set(addresses).count == addresses.count)
  }

  @Test func openBLASLoadsOnceAndDescribesItself() throws {
    var problem: UnsafePointer<CChar>?
    #expect(sft_openblas_sgemm(&problem) != nil && problem == nil)
    #expect(sft_openblas_sgemm(nil) != nil)
    #expect(String(cString: sft_openblas_description()).contains("OpenBLAS"))
  }

  /// The core type that was chosen before loading, by us or by the user, is the one in use.
  @Test(.enabled(if: !isLinkedEagerly, "this test binary was linked without --as-needed"))
  func openBLASUsesTheChosenCoreType() throws {
    _ = sft_openblas_sgemm(nil)
    guard let chosen = getenv("OPENBLAS_CORETYPE") else { return }  // left to the library
    let description = String(cString: sft_openblas_description()).lowercased()
    #expect(description.contains(String(cString: chosen).lowercased()))
  }

  /// Both products mean the same: transposes, strides, beta = 0 over NaN, empty sums.
  @Test(arguments: [false, true], [false, true])
  func productsAgree(transposeA: Bool, transposeB: Bool) throws {
    var numbers = TestNumbers(seed: 20)
    let sizes = testWidths.flatMap { [($0, 5, 9), (5, $0, 9), (5, 9, $0)] } + [(70, 90, 130)]
    for (m, n, k) in sizes {
      for beta: Float in [0, 1, -0.5] {
        let lda = (transposeA ? m : k) + 1
        let ldb = (transposeB ? k : n) + 2
        let ldc = n + 3
        let a = numbers.floats((transposeA ? k : m) * lda)
        let b = numbers.floats((transposeB ? n : k) * ldb)
        let c = beta == 0 ? Array(repeating: .nan, count: m * ldc) : numbers.floats(m * ldc)
        let results = Sgemm.all.map { sgemm in
          var result = c
          // Empty arrays have no address; a product without elements needs none of its own.
          (a + [0]).withUnsafeBufferPointer { a in
            (b + [0]).withUnsafeBufferPointer { b in
              result.append(0)
              result.withUnsafeMutableBufferPointer { c in
                guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else {
                  return
                }
                sgemm.function(
                  transposeA, transposeB, Int64(m), Int64(n), Int64(k), 1.5, a, Int64(lda), b,
                  Int64(ldb), beta, c, Int64(ldc))
              }
            }
          }
          return TestBuffer.floats(result)
        }
        try #require(results.count == 2)
        // Observed 6.7e-6, at k = 1000.
        #expect(
          results[1].error(against: results[0]) <= 2e-5, "m \(m) n \(n) k \(k) beta \(beta)")
      }
    }
  }
}
