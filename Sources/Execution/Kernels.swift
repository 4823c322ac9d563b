import CKernels
import COpenBLAS
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The kernels of one instruction set and the f32 matmul that they build on.
public struct Kernels: @unchecked Sendable {
  /// "reference", "portable", "avx2" …
  public let instructionSet: String
  /// The instruction set's kernels, and the row of each.
  let table: UnsafePointer<sft_kernel_row>
  private let rows: [String: Int]
  private(set) var sgemm: sft_sgemm_function
  private let isa: sft_isa
  /// Whether the CPU has instructions that multiply bf16: only then are bf16 matmuls faster than
  /// those of f32.
  public let multipliesBF16: Bool
  /// Chooses the variants of bound programs' matmuls; nil keeps them as compiled.
  public var tuner: ProductTuner?

  /// The best kernels of this CPU, or those of the instruction set that is asked for.
  ///
  /// - Parameter forced: the instruction set's name, as `SPARSEFT_ISA` has it; nil for the best.
  /// - Throws: `ExecutionError` if the name is unknown or this CPU can't run it, or if OpenBLAS
  ///   can't be loaded.
  public static func forThisMachine(
    forced: String? = getenv("SPARSEFT_ISA").map { String(cString: $0) }
  ) throws(ExecutionError) -> Kernels {
    let best = sft_isa_best()
    guard let name = forced else { return try Kernels(best) }
    guard let isa = known.first(where: { String(cString: sft_isa_name($0)) == name }) else {
      throw .instructionSetUnknown(
        name: name, known: known.map { String(cString: sft_isa_name($0)) })
    }
    guard sft_isa_supported(isa) else {
      throw .instructionSetUnsupported(name: name, best: String(cString: sft_isa_name(best)))
    }
    return try Kernels(isa)
  }

  private static let known = (0..<SFT_ISA_COUNT.rawValue).map(sft_isa.init(rawValue:))

  /// Names of the instruction sets that this CPU can run, from the most basic one up.
  public static var supported: [String] {
    known.filter(sft_isa_supported).map { String(cString: sft_isa_name($0)) }
  }

  /// The kernels of that instruction set.
  public init(named name: String) throws(ExecutionError) {
    guard let isa = Self.known.first(where: { String(cString: sft_isa_name($0)) == name }),
      sft_isa_supported(isa)
    else { throw .instructionSetUnknown(name: name, known: Self.supported) }
    try self.init(isa)
  }

  private init(_ isa: sft_isa) throws(ExecutionError) {
    self.isa = isa
    instructionSet = String(cString: sft_isa_name(isa))
    multipliesBF16 = [SFT_ISA_AVX512BF16, SFT_ISA_AVX512AMX, SFT_ISA_NEONBF16].contains(isa)
    var count: Int64 = 0
    let table = sft_kernel_table(isa, &count)
    self.table = table
    rows = Dictionary(
      uniqueKeysWithValues: (0..<Int(count)).map { (String(cString: table[$0].name), $0) })
    if isa == SFT_ISA_REFERENCE {
      sgemm = sft_sgemm_reference
      return
    }
    var problem: UnsafePointer<CChar>?
    guard let loaded = sft_openblas_sgemm(&problem) else {
      guard let problem else { throw .libraryOutOfMemory }
      throw .libraryMissing(problem: String(cString: problem))
    }
    sgemm = loaded
  }

  /// The same kernels without a tuner: matmuls stay as compiled.
  public var untuned: Kernels {
    var copy = self
    copy.tuner = nil
    return copy
  }

  /// Computes attention in f32, and what no tile kernel computes, without a library, as devices do.
  public mutating func leaveOutLibrary() { sgemm = sft_sgemm_of(isa) }

  /// The row of a kernel in every table.
  func row(named name: String) throws(ExecutionError) -> Int {
    guard let row = rows[name] else { throw .unknownKernel(name: name) }
    return row
  }
}
