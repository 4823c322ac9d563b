import Compilation
import Execution
import Graphs
import Operations
import Programs
import Tensors
import Testing

/// Results of one run of a case.
struct CaseResult {
  var output: [Float]
  /// By operand.
  var gradients: [Int: [Float]]
}

/// Runs a case's graph and its pullback on real kernels.
struct GradientRunner {
  let gradientCase: GradientCase
  let kernels: Kernels
  let pool: WorkerPool

  init(_ gradientCase: GradientCase, instructionSet: String, threads: Int = 2) throws {
    self.gradientCase = gradientCase
    kernels = try Kernels(named: instructionSet)
    pool = try WorkerPool(threads: threads)
  }

  /// - Parameters:
  ///   - wanted: operands that gradients are asked for.
  ///   - cotangent: one number per element of the result, or one for all.
  func run(wanted: Set<Int>, cotangent: [Float]) throws -> CaseResult {
    var graph = Graph()
    let ids = gradientCase.operands.enumerated().map { index, operand in
      graph.addSource(source(operand, index, isTrained: wanted.contains(index)), operand.type)
    }
    let output = gradientCase.build(&graph, ids)
    let shape: Shape =
      gradientCase.hasScalarCotangent ? [1] : graph.type(of: output).shape
    let seed = graph.addSource(.input("cotangent"), TensorType(shape))
    let gradients = try graph.differentiate(output, cotangent: seed)
    graph.outputs = [("output", output)]
    for index in wanted.sorted() {
      if let gradient = gradients[ids[index]] { graph.outputs.append(("d\(index)", gradient)) }
    }
    try graph.verify()
    var layout = PersistentLayout()
    let program = try InferenceCompiler().compile(graph, layout: &layout).program
    return try execute(program, graph: graph, cotangent: cotangent)
  }

  private func source(_ operand: CaseOperand, _ index: Int, isTrained: Bool) -> ValueSource {
    guard operand.type.elementType != .int32 else { return .input("p\(index)") }
    let rows = 0..<operand.type.shape.extents[0]
    let initial: InitialContents =
      isTrained
      ? .values(operand.values.map(Float.init)) : .checkpoint(name: "p\(index)", rows: rows)
    return .parameter(
      Parameter(path: "p\(index)", rows: rows, isTrained: isTrained, initial: initial))
  }

  private func execute(
    _ program: Program, graph: Graph, cotangent: [Float]
  ) throws -> CaseResult {
    let bound = try BoundProgram(
      program, pool: pool, kernels: kernels, weights: ExternalMemory(gradientCase.operands))
    bound.initialise(seed: 0)
    // Whatever a kernel reads before it is written shows as NaN.
    for (index, buffer) in program.buffers.enumerated() {
      guard case .arena = buffer.location, !buffer.isPersistent else { continue }
      bound.elements(of: index, as: Float.self).update(repeating: .nan)
    }
    for (index, operand) in gradientCase.operands.enumerated() {
      guard operand.type.elementType == .int32 else { continue }
      _ = try bound.memory(of: Port<Int32>("p\(index)"))
        .update(from: operand.values.map { Int32($0) })
    }
    if program.port(named: "cotangent") != nil {
      _ = try bound.memory(of: Port<Float>("cotangent")).update(from: cotangent)
    }
    bound.run(.body)
    var result = CaseResult(output: [], gradients: [:])
    for name in graph.outputs.map(\.name) {
      let values = Array(try bound.memory(of: Port<Float>(name)))
      if name == "output" { result.output = values }
      if let index = Int(name.dropFirst()) { result.gradients[index] = values }
    }
    return result
  }
}

/// Frozen operands outside the arena, 64-byte aligned as mapped files are.
private final class ExternalMemory: WeightSource {
  private var blocks: [InitialContents: UnsafeMutableRawPointer] = [:]

  init(_ operands: [CaseOperand]) {
    for (index, operand) in operands.enumerated() {
      let contents = InitialContents.checkpoint(
        name: "p\(index)", rows: 0..<operand.type.shape.extents[0])
      blocks[contents] = Self.copy(operand.bytes)
      blocks[contents.storedScales] = operand.scales.withUnsafeBytes { Self.copy(Array($0)) }
    }
  }

  deinit { for block in blocks.values { block.deallocate() } }

  private static func copy(_ bytes: [UInt8]) -> UnsafeMutableRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: max(64, bytes.count), alignment: 64)
    block.copyMemory(from: bytes, byteCount: bytes.count)
    return block
  }

  func address(of buffer: Buffer) -> UnsafeRawPointer? { blocks[buffer.contents].map { .init($0) } }

  /// Trained operands start from values.
  func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    Issue.record("nobody reads rows of \(name)")
  }
}
