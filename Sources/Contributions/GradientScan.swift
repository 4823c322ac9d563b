import Adaptations
import Compilation
import Datasets
import Execution
import Graphs
import Models
import Operations
import Programs
import Tensors
import Training
import Weights

/// Gradient scores of one tensor from a few backward passes over the base model.
///
/// They set learning rates; `update` also proposes a candidate, which probes decide about
/// (docs/selection.md).
public struct GradientScore: Hashable, Sendable {
  /// Σ|g|, the mean over micro-batches.
  public var absolute: Double
  /// Σg², the mean over micro-batches: the trace of the empirical Fisher information.
  public var fisher: Double
  /// Σ g·sign(g₁), the mean over the micro-batches after the first: g·Δw for AdamW's first step at a
  /// rate of 1.
  public var update: Double
}

/// Runs a step that only computes gradients; the model does not change.
public struct GradientScan {
  private let scored: [Parameter]
  private let bound: BoundProgram
  private let batch: BatchMemory
  private let lossScale: UnsafeMutableBufferPointer<Float>
  private let recordSigns: UnsafeMutableBufferPointer<Float>
  private let table: UnsafeMutableBufferPointer<Double>
  private let shape: BatchShape
  /// Bytes of the arena and of the weights that the scan reads.
  public let plannedBytes: Int

  /// - Parameter adaptation: selects the scanned tensors: `ScoredAdaptation`, or a method whose
  ///   trained tensors are scanned.
  public init(
    _ compiler: StepCompiler, adaptation: some Adaptation, weights: ModelWeights,
    pool: WorkerPool, kernels: Kernels, seed: UInt64
  ) throws(TrainingError) {
    shape = compiler.settings.shape
    let (compiled, scored) = try Self.compiled(compiler, adaptation)
    self.scored = scored
    let threads = pool.threads
    plannedBytes =
      BoundProgram.arenaBytes(for: [compiled.program], threads: threads)
      + compiled.memory.mappedWeights
    do {
      bound = try BoundProgram(
        compiled.program, pool: pool, kernels: kernels, weights: weights)
      batch = try BatchMemory(bound, below: nil)
      lossScale = try bound.memory(of: .lossScale)
      recordSigns = try bound.memory(of: .recordSigns)
      table = try bound.memory(of: .gradientScores)
    } catch { throw .execution(error) }
    bound.initialise(seed: seed)
  }

  private static func compiled(
    _ compiler: StepCompiler, _ adaptation: some Adaptation
  ) throws(TrainingError) -> (program: CompiledProgram, scored: [Parameter]) {
    let settings = compiler.settings
    var graph = compiler.configuration.model.traceLoss(
      batch: settings.shape.windows, tokens: settings.shape.tokens, from: 0,
      elementType: compiler.elementType)
    do { try adaptation.adapt(&graph) } catch { throw .adaptation(error) }
    do {
      return try ScoreCompiler(precision: settings.precision).compile(graph)
    } catch { throw .graph(error) }
  }

  /// - Parameter windows: windows of the text, micro-batch after micro-batch; only whole
  ///   micro-batches with at least one scored target are used.
  /// - Returns: a score for each scored parameter by its path; factors and row ranges by their own
  ///   names.
  public func run(over text: TokenStream, windows: [Int]) -> [String: GradientScore] {
    var batches = 0
    for first in stride(from: 0, through: windows.count - shape.windows, by: shape.windows) {
      let rows = windows[first..<first + shape.windows]
      let scored = text.scoredCount(windows: rows, sequenceLength: shape.tokens)
      guard scored > 0 else { continue }
      for (row, window) in rows.enumerated() {
        batch.fill(row: row, tokens: shape.tokens, from: text, window: window)
      }
      lossScale[0] = 1 / Float(scored)
      recordSigns[0] = batches == 0 ? 1 : 0
      bound.run(.body)
      batches += 1
    }
    text.releasePages()
    return scores(batches: batches)
  }

  private func scores(batches: Int) -> [String: GradientScore] {
    let (kinds, parts) = (GradientScores.scores, SquaredNorm.partials)
    var scores: [String: GradientScore] = [:]
    for (slot, parameter) in scored.enumerated() {
      func sum(_ kind: Int) -> Double {
        (0..<parts).reduce(0) { $0 + table[(slot * parts + $1) * kinds + kind] }
      }
      let count = Double(max(1, batches))
      let score = GradientScore(
        absolute: sum(0) / count, fisher: sum(1) / count,
        update: batches > 1 ? sum(2) / (count - 1) : 0)
      scores[parameter.path] = score.adding(to: scores[parameter.path])
    }
    return scores
  }
}

extension GradientScore {
  func scaled(by factor: Double) -> GradientScore {
    GradientScore(
      absolute: factor * absolute, fisher: factor * fisher, update: factor * update)
  }

  /// The sum with the score of another part of the same tensor.
  fileprivate func adding(to other: GradientScore?) -> GradientScore {
    guard let other else { return self }
    return GradientScore(
      absolute: absolute + other.absolute, fisher: fisher + other.fisher,
      update: update + other.update)
  }
}
