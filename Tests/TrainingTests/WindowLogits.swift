import Checkpoints
import Compilation
import Execution
import Graphs
import Operations
import Programs
import Testing
import Training
import Weights

/// The training pass's logits, which its own head never holds whole.
struct WindowLogits {
  private let program: Program
  private let weights: ModelWeights

  init(_ checkpoint: Checkpoint, _ shape: BatchShape) throws {
    weights = try ModelWeights(checkpoint)
    var graph = checkpoint.configuration.model.traceLoss(
      batch: shape.windows, tokens: shape.tokens, from: 0, elementType: weights.elementType)
    let head = try #require(graph.nodes.first { $0.operation is HeadLoss })
    graph.outputs.append(("logits", graph.add(Linear(), Array(head.operands[0..<2]))[0]))
    var layout = PersistentLayout()
    program = try InferenceCompiler().compile(graph, layout: &layout).program
  }

  /// Logits by token.
  func rows(_ batch: GoldenBatch, instructionSet: String) throws -> [[Double]] {
    try with(batch, instructionSet: instructionSet) { logits in
      let width = logits.count / batch.inputs.count
      return stride(from: 0, to: logits.count, by: width).map { start in
        logits[start..<start + width].map { Double($0) }
      }
    }
  }

  /// Runs `body` on the logits, a row of the vocabulary's size for each token.
  func with<Result>(
    _ batch: GoldenBatch, instructionSet: String,
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result {
    let pool = try WorkerPool(threads: 2)
    let bound = try BoundProgram(
      program, pool: pool, kernels: try Kernels(named: instructionSet), weights: weights)
    bound.initialise(seed: 0)
    try batch.write(to: bound)
    bound.run(.body)
    let logits = UnsafeBufferPointer(try bound.memory(of: .logits))
    return try withExtendedLifetime(bound) { try body(logits) }
  }
}
