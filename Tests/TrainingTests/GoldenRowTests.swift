import Adaptations
import Checkpoints
import Datasets
import Execution
import Storage
import TestSupport
import Testing
import Tokenizers
import Training
import Weights

/// Rows of prompt and completion against PyTorch's cross-entropy with labels of −100
/// (`make_rows.py`).
@Suite struct GoldenRowTests {
  private let golden: GoldenCase
  private let figures: JSONValue
  private let folder: TemporaryFolder

  init() throws {
    golden = try GoldenCase.named("gqa-tied")
    figures = try JSONValue.read(path: Self.source + "/figures.json")
    folder = try TemporaryFolder()
  }

  private static let source = SharedData.packageRoot + "/Tests/Golden/rows"

  private func corpus(length: Int) throws -> Corpus {
    try Corpus.prepare(
      train: [Self.source + "/rows.jsonl"], validation: .none, sequenceLength: length,
      tokenizer: TokenizerKind.load(
        golden.checkpoint.tokenizerKind, golden.checkpoint.tokenizerBytes),
      cacheFolder: folder["cache"])
  }

  private func settings(windows: Int, accumulation: Int, tokens: Int) -> TrainingSettings {
    TrainingSettings(
      steps: 1, shape: BatchShape(windows: windows, tokens: tokens, accumulation: accumulation),
      optimizer: .sgd(SGD()), precision: .f32, clipNorm: nil,
      schedule: LearningRateSchedule(
        curve: .constant, peak: 1e-3, warmupSteps: 0, finalRatio: 1, totalSteps: 1),
      seed: 1, shuffles: false, validateEvery: 0, saveEvery: 0, patience: nil)
  }

  private func session(_ settings: TrainingSettings) throws -> Session {
    let weights = try ModelWeights(golden.checkpoint)
    let step = try CompiledStep(
      weights.configuration, adaptation: FullAdaptation(), optimizer: settings.optimizer,
      clipNorm: nil, shape: settings.shape, precision: .f32, elementType: weights.elementType)
    return try Session(
      step, weights: weights, pool: WorkerPool(threads: 2), kernels: Kernels.forThisMachine(),
      seed: 1)
  }

  @Test func idsAndLabelsAreThoseOfTheScript() throws {
    // Longer than every row, so each stands whole in a window.
    let length = 64
    let text = try corpus(length: length).train
    var found: [[Int32]: [Int32]] = [:]
    for window in 0..<text.windowCount(sequenceLength: length, includePartial: true) {
      let (inputs, targets, starts) = text.window(window, length: length)
      for start in Set(starts) {
        let places = starts.indices.filter { starts[$0] == start }
        found[places.map { inputs[$0] }] = places.map { targets[$0] }
      }
    }
    for row in try figures.list("rows") {
      let ids = try row.member("ids").numbers().map { Int32($0) }
      let labels = try row.member("labels").numbers().map { $0 < 0 ? -1 : Int32($0) }
      #expect(found[Array(ids.dropLast())] == Array(labels.dropFirst()), "\(ids)")
    }
    let counted = try figures.list("rows").reduce(0) { $0 + Int(try $1.number("counted")) }
    #expect(text.scoredCount == counted)
  }

  /// Observed: 2e-7 of the loss.
  @Test(arguments: [64, 47])
  func theMeanIsThatOfTheLabels(length: Int) throws {
    let text = try corpus(length: length).train
    let evaluator = Evaluator(
      try session(settings(windows: 3, accumulation: 1, tokens: length)), text: text)
    #expect(abs(evaluator.meanLoss() / (try figures.number("mean")) - 1) < 1e-5)
  }

  /// The step's gradient is that of the mean over all labels of all its rows, in one micro-batch or
  /// in as many as there are windows. Observed: 1e-6 of the norm.
  @Test func accumulationDoesNotMatter() throws {
    let length = 47
    let text = try corpus(length: length).train
    let count = text.windowCount(sequenceLength: length, includePartial: false)
    #expect(count == 6)
    for (windows, accumulation) in [(count, 1), (1, count)] {
      let session = try session(
        settings(windows: windows, accumulation: accumulation, tokens: length))
      session.beginStep(
        learningRate: 1e-3, optimizer: .sgd(SGD()), step: 1, scoredTokens: text.scoredCount)
      var loss = 0.0
      for first in stride(from: 0, to: count, by: windows) {
        for row in 0..<windows { session.fill(row: row, from: text, window: first + row) }
        loss += session.runMicroBatch()
      }
      let norm = session.finishStep()
      #expect(abs(loss / Double(text.scoredCount) / (try figures.number("mean")) - 1) < 1e-5)
      #expect(abs(norm / (try figures.number("gradientNorm")) - 1) < 1e-4)
    }
  }
}

extension TokenStream {
  /// A window's inputs, targets and documents' starts.
  fileprivate func window(_ window: Int, length: Int) -> ([Int32], [Int32], [Int32]) {
    var arrays = ([Int32](repeating: -7, count: length), [Int32](), [Int32]())
    (arrays.1, arrays.2) = (arrays.0, arrays.0)
    arrays.0.withUnsafeMutableBufferPointer { inputs in
      arrays.1.withUnsafeMutableBufferPointer { targets in
        arrays.2.withUnsafeMutableBufferPointer { starts in
          fill(window: window, inputs: inputs, targets: targets, documentStarts: starts)
        }
      }
    }
    return arrays
  }
}
