import Compilation
import Execution
import Graphs
import Models
import Programs
import Runs
import Tensors
import Weights

/// Scores windows token by token, from all logits of a forward pass.
final class WindowScorer {
  private let model: LoadedModel
  private let tokens: Int
  private let windows: Int
  private let vocabulary: Int
  private let bound: BoundProgram
  private let ids: UnsafeMutableBufferPointer<Int32>
  private let starts: UnsafeMutableBufferPointer<Int32>
  private let logits: UnsafeMutableBufferPointer<Float>

  /// Bytes of logits that a batch of windows may take, where one window takes no more.
  private static let logitsBytes = 32 << 20

  /// - Parameter tokens: of a window.
  init(_ model: LoadedModel, tokens: Int) throws {
    self.model = model
    self.tokens = tokens
    let weights = model.weights
    vocabulary = weights.configuration.vocabularySize
    windows = max(1, min(16, Self.logitsBytes / (4 * tokens * vocabulary)))
    var graph = weights.configuration.model.traceLogits(
      batch: windows, tokens: tokens, elementType: weights.elementType)
    try weights.adaptation.adapt(&graph)
    do {
      var layout = PersistentLayout()
      let program = try InferenceCompiler(precision: model.precision)
        .compile(graph, layout: &layout).program
      bound = try BoundProgram(
        program, pool: model.pool, kernels: model.kernels, weights: weights)
      ids = try bound.memory(of: .tokens)
      starts = try bound.memory(of: .documentStarts)
      logits = try bound.memory(of: .logits)
    } catch let error as GraphError {
      throw AuditError.graph(error)
    } catch let error as ExecutionError {
      throw AuditError.execution(error)
    }
    bound.initialise(seed: 0)
  }

  /// The scores of each window of a text, in their order; nil if `shouldStop`, which is asked before
  /// every batch, said so.
  ///
  /// - Throws: `AuditError.brokenWeights` for logits that are not finite.
  func scores(
    _ text: TextWindows, unless shouldStop: () -> Bool = { false }
  ) throws(AuditError) -> [TokenScores]? {
    try scores(text.windows.map { text[$0] }, unless: shouldStop)
  }

  func scores(
    _ batchwise: [TextWindows.Window], unless shouldStop: () -> Bool = { false }
  ) throws(AuditError) -> [TokenScores]? {
    var result: [TokenScores] = []
    for first in stride(from: 0, to: batchwise.count, by: windows) {
      if shouldStop() { return nil }
      let batch = batchwise[first..<min(first + windows, batchwise.count)]
      forward(batch.map { ($0.inputs, $0.documentStarts) })
      for (row, window) in batch.enumerated() {
        result.append(try score(window, row: row))
      }
    }
    return result
  }

  /// log p of the ids of sequences from a place on, in nats. Sequences that differ in their last id
  /// only are read once.
  ///
  /// - Parameters:
  ///   - sequences: of at least two ids and at most one more than a window has.
  ///   - first: the place of the first id that counts, from 1.
  /// - Throws: `AuditError.brokenWeights` for logits that are not finite.
  func logProbabilities(
    of sequences: [[Int32]], from first: Int
  ) throws(AuditError) -> [Double] {
    let stems = SharedStems(sequences).stems
    var sums = [Double](repeating: 0, count: sequences.count)
    for start in stride(from: 0, to: stems.count, by: windows) {
      let batch = stems[start..<min(start + windows, stems.count)]
      forward(batch.map { ($0.ids, []) })
      for (row, stem) in batch.enumerated() {
        var sum = 0.0
        for place in first..<max(first, stem.ids.count) {
          let target = Int(stem.ids[place])
          sum += Double(try distribution(row, place - 1).score(of: target).logProbability)
        }
        let last = try distribution(row, stem.ids.count - 1)
        for place in stem.sequences {
          let target = Int(sequences[place][stem.ids.count])
          sums[place] = sum + Double(last.score(of: target).logProbability)
        }
      }
    }
    return sums
  }

  /// Computes the logits of a batch of rows; a shorter one is filled up with zeros, and is one document
  /// where no starts are given.
  private func forward(_ rows: [(inputs: [Int32], documentStarts: [Int32])]) {
    ids.update(repeating: 0)
    starts.update(repeating: 0)
    for (row, (inputs, documentStarts)) in rows.enumerated() {
      for (place, id) in inputs.enumerated() { ids[row * tokens + place] = id }
      for (place, start) in documentStarts.enumerated() { starts[row * tokens + place] = start }
    }
    bound.run(.begin)
    bound.run(.body)
  }

  private func score(
    _ window: TextWindows.Window, row: Int
  ) throws(AuditError) -> TokenScores {
    var scores = TokenScores()
    for place in 0..<tokens where window.targets[place] >= 0 {
      let score = try distribution(row, place).score(of: Int(window.targets[place]))
      scores.logProbabilities.append(score.logProbability)
      scores.standardised.append(score.standardised)
      scores.isLikeliest.append(score.isLikeliest)
    }
    return scores
  }

  /// What the model expects behind a place of a row.
  private func distribution(_ row: Int, _ place: Int) throws(AuditError) -> TokenDistribution {
    let start = (row * tokens + place) * vocabulary
    let line = UnsafeBufferPointer(rebasing: logits[start..<start + vocabulary])
    guard let distribution = TokenDistribution(line) else {
      throw .brokenWeights(model.weights.brokenWeight ?? "the model's logits are not finite")
    }
    return distribution
  }
}
