import Adaptations
import Checkpoints
import Execution
import Graphs
import Models
import Operations
import Programs
import Tensors
import TestSupport
import Testing
import Training
import Weights

#if canImport(Glibc)
  import Glibc
#endif

/// Ten steps of every method against PyTorch's.
@Suite struct GoldenRunTests {
  /// What may differ, and the largest that did over all instruction sets. Gradient norms are
  /// relative; parameters to their norm or root mean square.
  private struct Tolerance {
    var loss = 3e-5  // 5e-6
    var gradientNorm = 6e-5  // 9e-6
    var parameters = 5e-4  // 1e-4
    /// A low-rank run's B starts at zero and its steps are ten times as large: AdamW gives what is
    /// but rounding in a tiny gradient full weight.
    static let lowRank = Tolerance(
      loss: 2e-4,  // 4e-5
      gradientNorm: 3e-4,  // 5e-5
      parameters: 8e-3)  // 2e-3
  }

  @Test(arguments: GoldenCase.names, GoldenMethod.allCases)
  func tenSteps(caseName: String, method: GoldenMethod) throws {
    let golden = try GoldenCase.named(caseName)
    let run = try golden.run(method)
    let batches = try golden.batches()
    let step = try golden.compile(run, shape: batches[0].shape)
    let tolerance = run.adapter == nil ? Tolerance() : .lowRank
    for instructionSet in Kernels.supported {
      let session = try golden.session(step, run, instructionSet: instructionSet)
      var (worstLoss, worstNorm) = (0.0, 0.0)
      for (index, batch) in batches.enumerated() {
        session.beginStep(
          learningRate: run.learningRate, optimizer: run.optimizer, step: index + 1,
          scoredTokens: batch.inputs.count)
        batch.write(to: session.batch)
        let loss = session.runMicroBatch() / Double(batch.inputs.count)
        let norm = session.finishStep()
        worstLoss = max(worstLoss, abs(loss - run.losses[index]))
        worstNorm = max(worstNorm, abs(norm / run.gradientNorms[index] - 1))
      }
      #expect(worstLoss < tolerance.loss, "\(instructionSet)")
      #expect(worstNorm < tolerance.gradientNorm, "\(instructionSet)")
      let parameters = session.parameters
      #expect(Set(parameters.keys) == Set(run.parameters.keys))
      for (name, expected) in run.parameters {
        let values = try #require(parameters[name])
        let distance = Fingerprint(of: values).distance(from: expected, count: values.count)
        #expect(distance < tolerance.parameters, "\(name), \(instructionSet)")
      }
    }
  }
}

extension GoldenCase {
  func compile(_ run: GoldenRun, shape: BatchShape) throws -> CompiledStep {
    try CompiledStep(
      checkpoint.configuration, adaptation: adaptation(run), optimizer: run.optimizer,
      clipNorm: run.clipNorm, shape: shape)
  }

  private func adaptation(_ run: GoldenRun) -> any Adaptation {
    if let adapter = run.adapter {
      let targets = checkpoint.configuration.parameters.filter {
        $0.isMatrix && $0.name.hasPrefix("layers[")
      }
      return LoRAAdaptation(
        rank: adapter.rank, alpha: adapter.alpha, targets: Set(targets.map(\.name)))
    }
    let rows = Dictionary(
      uniqueKeysWithValues: checkpoint.configuration.parameters.map { ($0.name, $0.shape[0]) })
    if run.trained.count == rows.count { return FullAdaptation() }
    let scheme = run.trained.reduce(into: [String: Double]()) { scheme, item in
      scheme[item.key] = Double(item.value.count) / Double(rows[item.key] ?? 1)
    }
    let isExact = scheme.allSatisfy { name, share in
      SparseAdaptation.rows(share: share, of: rows[name] ?? 1) == run.trained[name]?.count
    }
    return isExact ? SparseAdaptation(scheme: scheme) : FirstRows(rows: run.trained)
  }

  /// A session of the case's model; low-rank runs start from the script's A, not from a random one.
  func session(
    _ step: CompiledStep, _ run: GoldenRun, instructionSet: String
  ) throws -> Session {
    let session = try Session(
      step, weights: try ModelWeights(checkpoint), pool: try WorkerPool(threads: 2),
      kernels: try Kernels(named: instructionSet), seed: 0)
    guard let adapter = run.adapter else { return session }
    for buffer in session.stateBuffers where TensorName(buffer.name).path.hasSuffix(".a") {
      guard !TensorName(buffer.name).isState else { continue }
      let inputs = Double(buffer.count / adapter.rank)
      buffer.write(
        (0..<buffer.count).map { Float(sin(0.1 * Double($0) + 1) / inputs.squareRoot()) })
    }
    return session
  }
}

/// Trains exactly these first rows, where a share of the rows would be rounded.
private struct FirstRows: Adaptation {
  let rows: [String: Range<Int>]

  var name: String { "first_rows" }

  func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    for (value, parameter) in graph.parameters {
      guard let range = rows[parameter.path] else { continue }
      let shape = graph.type(of: value).shape
      func part(_ rows: Range<Int>, isTrained: Bool) -> ValueID {
        let part = Parameter(
          path: parameter.path, rows: rows, isTrained: isTrained,
          initial: .checkpoint(name: parameter.path, rows: rows))
        return graph.addSource(.parameter(part), TensorType([rows.count, shape[1]]))
      }
      let parts = [
        part(range, isTrained: true), part(range.upperBound..<shape[0], isTrained: false),
      ]
      for position in graph.nodes.indices {
        guard let index = graph.nodes[position].operands.firstIndex(of: value),
          let operation = graph.nodes[position].operation as? any PartitionedOperation
        else { continue }
        graph.nodes[position].operation = operation.withOneMorePart()
        graph.nodes[position].operands.replaceSubrange(index...index, with: parts)
      }
    }
    return SavePlan(rowsOf: graph)
  }
}
