import Adaptations
import Compilation
import Execution
import Generation
import Graphs
import Models
import Operations
import Programs
import TestSupport
import Testing
import Training
import Weights

#if canImport(Glibc)
  import Glibc
#endif

/// Logits, losses and gradients of one batch against PyTorch, without and with documents' borders.
@Suite struct GoldenForwardTests {
  /// Observed over all instruction sets: 7e-6, where logits lie within ±5.
  @Test(arguments: GoldenCase.names, ["forward", "documents"])
  func logits(caseName: String, part: String) throws {
    let golden = try GoldenCase.named(caseName)
    let figures = try golden.figures.member(part)
    let batch = try GoldenBatch(figures)
    let last = try figures.list("lastLogits").map { try $0.numbers() }
    let statistics = try figures.member("logits")
    let (means, deviations, logSumExps) = try (
      statistics.member("mean").numbers(), statistics.member("deviation").numbers(),
      statistics.member("logSumExp").numbers()
    )
    for instructionSet in Kernels.supported {
      let rows = try WindowLogits(golden.checkpoint, batch.shape).rows(
        batch, instructionSet: instructionSet)
      #expect(rows.count == means.count)
      var worst = 0.0
      for (row, expected) in zip(rows[(batch.tokens - last.count)..<batch.tokens], last) {
        #expect(row.count == expected.count)
        for (a, b) in zip(row, expected) { worst = max(worst, abs(a - b)) }
      }
      for (index, row) in rows.enumerated() {
        let mean = row.reduce(0, +) / Double(row.count)
        let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
        worst = max(worst, abs(mean - means[index]))
        worst = max(worst, abs(variance.squareRoot() - deviations[index]))
        worst = max(worst, abs(log(row.reduce(0) { $0 + exp($1) }) - logSumExps[index]))
      }
      #expect(worst < 3e-5, "\(instructionSet)")
    }
  }

  /// The last logits from the generator's cache: blocks of the prompt, then a single token.
  /// Observed: 6e-6.
  @Test(arguments: GoldenCase.names)
  func generatorLogits(caseName: String) throws {
    let golden = try GoldenCase.named(caseName)
    let figures = try golden.figures.member("forward")
    let batch = try GoldenBatch(figures)
    let last = try figures.list("lastLogits").map { try $0.numbers() }
    let window = Array(batch.inputs.prefix(batch.tokens))
    for instructionSet in Kernels.supported {
      let generator = try Generator(
        try ModelWeights(golden.checkpoint), capacity: batch.tokens,
        pool: try WorkerPool(threads: 2), kernels: try Kernels(named: instructionSet))
      var worst = 0.0
      for (index, expected) in last.enumerated() {
        let logits = generator.read(Array(window.dropLast(last.count - 1 - index)))
        #expect(logits.count == expected.count)
        for (a, b) in zip(logits, expected) { worst = max(worst, abs(Double(a) - b)) }
      }
      #expect(worst < 3e-5, "\(instructionSet)")
    }
  }

  /// Observed: losses 6e-6, gradients 1e-5 of their norm or root mean square.
  @Test(arguments: GoldenCase.names, ["forward", "documents"])
  func lossesAndGradients(caseName: String, part: String) throws {
    let golden = try GoldenCase.named(caseName)
    let figures = try golden.figures.member(part)
    let batch = try GoldenBatch(figures)
    let losses = try figures.member("tokenLosses").numbers()
    let gradients = try figures.table("gradients", Fingerprint.init)
    // What plain momentum holds after its first step is the gradient itself.
    let optimizer = Optimizer.sgd(SGD(momentum: 0.9, weightDecay: 0))
    let step = try CompiledStep(
      golden.checkpoint.configuration, adaptation: FullAdaptation(), optimizer: optimizer,
      clipNorm: nil, shape: batch.shape)
    for instructionSet in Kernels.supported {
      let session = try Session(
        step, weights: try ModelWeights(golden.checkpoint), pool: try WorkerPool(threads: 2),
        kernels: try Kernels(named: instructionSet), seed: 0)
      session.beginStep(
        learningRate: 0, optimizer: optimizer, step: 1, scoredTokens: batch.inputs.count)
      batch.write(to: session.batch)
      let mean = session.runMicroBatch() / Double(losses.count)
      let norm = session.finishStep()
      #expect(abs(mean - (try figures.number("loss"))) < 1e-5, "\(instructionSet)")

      let found = try session.training.memory(of: .loss)
      #expect(found.count == losses.count)
      let worst = zip(found, losses).map { abs(Double($0) - $1) }.max() ?? .nan
      #expect(worst < 3e-5, "\(instructionSet)")

      let momenta = session.stateBuffers.filter { $0.name.hasSuffix(".momentum") }
      #expect(momenta.count == gradients.count)
      var squares = 0.0
      for buffer in momenta {
        let (name, memory) = (buffer.name, buffer.values)
        let expected = try #require(gradients[TensorName(name).path], "\(name)")
        squares += expected.norm * expected.norm
        let distance = Fingerprint(of: memory).distance(from: expected, count: memory.count)
        #expect(distance < 5e-5, "\(name), \(instructionSet)")
      }
      #expect(abs(norm / squares.squareRoot() - 1) < 1e-5, "\(instructionSet)")
    }
  }
}
