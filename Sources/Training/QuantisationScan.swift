import Adaptations
import Compilation
import Datasets
import Execution
import Models
import Programs
import Tensors
import Weights

/// What multiplying integers would cost in the matmuls with one matrix.
public struct QuantisationCost: Hashable, Sendable {
  /// The checkpoint's name of the matrix; a tied head is named by the embedding.
  public var matrix: String
  /// The expected increase of the mean loss if its inputs' rows are quantised, in nats.
  public var loss: Double
  /// Floating-point operations of the forward matmul per token.
  public var flopsPerToken: Double
  /// The largest magnitude of any column of its input, over that of the median column.
  public var outlierRatio: Double
}

/// Runs a step forward and backward that only measures what quantising the inputs of matmuls would
/// cost, window by window; the model does not change.
public struct QuantisationScan {
  private let products: [MeasuredProduct]
  private let bound: BoundProgram
  private let batch: BatchMemory
  private let lossScale: UnsafeMutableBufferPointer<Float>
  private let errors: UnsafeMutableBufferPointer<Double>
  private let magnitudes: UnsafeMutableBufferPointer<Float>
  private let tokens: Int

  /// - Parameter tokens: the length of a window.
  public init(
    _ weights: ModelWeights, tokens: Int, pool: WorkerPool, kernels: Kernels
  ) throws(TrainingError) {
    self.tokens = tokens
    let compiled = try Self.compiled(weights, tokens: tokens)
    products = compiled.products
    do throws(ExecutionError) {
      bound = try BoundProgram(
        compiled.program.program, pool: pool, kernels: kernels, weights: weights)
      batch = try BatchMemory(bound, below: nil)
      lossScale = try bound.memory(of: .lossScale)
      errors = try bound.memory(of: .quantisationErrors)
      magnitudes = try bound.memory(of: .inputMagnitudes)
    } catch { throw .execution(error) }
    bound.initialise(seed: 0)
  }

  private static func compiled(
    _ weights: ModelWeights, tokens: Int
  ) throws(TrainingError) -> (program: CompiledProgram, products: [MeasuredProduct]) {
    var graph = weights.configuration.model.traceLoss(
      batch: 1, tokens: tokens, from: 0, elementType: weights.elementType)
    // A gradient that reaches the first norm's gain reaches every matmul's input.
    let lowest = ParameterPath(layer: 0, .attentionNorm).description
    do { try ScoredAdaptation(paths: [lowest]).adapt(&graph) } catch { throw .adaptation(error) }
    do { return try QuantisationErrorCompiler().compile(graph) } catch { throw .graph(error) }
  }

  /// The cost for each matrix, by name, over some windows of a text; nil if `shouldStop`, asked
  /// before each window, said so.
  public func run(
    over text: TokenStream, windows: [Int], unless shouldStop: () -> Bool = { false }
  ) -> [QuantisationCost]? {
    var scored = 0
    // The gradient is that of the sum of losses; the mean's follows from the number of targets.
    lossScale[0] = 1
    for window in windows {
      if shouldStop() { return nil }
      batch.fill(row: 0, tokens: tokens, from: text, window: window)
      bound.run(.body)
      scored += text.scoredCount(window: window, sequenceLength: tokens)
      text.releasePages()
    }
    return costs(scored: max(1, scored))
  }

  private func costs(scored: Int) -> [QuantisationCost] {
    let parts = errors.count / max(1, products.count)
    var costs: [String: QuantisationCost] = [:]
    for (slot, product) in products.enumerated() {
      let sum = errors[slot * parts..<(slot + 1) * parts].reduce(0, +)
      let columns = magnitudes[product.columns].sorted()
      let ratio = columns.last.map { Double($0) / max(1e-30, Double(columns[columns.count / 2])) }
      var cost =
        costs[product.matrix]
        ?? QuantisationCost(
          matrix: product.matrix, loss: 0, flopsPerToken: 0, outlierRatio: 0)
      // Not a number where the model's numbers are not.
      cost.loss += sum / 2 / Double(scored)
      cost.flopsPerToken += Double(product.flops) / Double(tokens)
      cost.outlierRatio = max(cost.outlierRatio, ratio ?? 0)
      costs[product.matrix] = cost
    }
    return costs.values.sorted { $0.matrix < $1.matrix }
  }
}
