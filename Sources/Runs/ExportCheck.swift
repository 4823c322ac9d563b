import Checkpoints
import Execution
import Generation
import Interchange
import Storage
import Tensors
import Tokenizers
import Weights

#if canImport(Glibc)
  import Glibc
#endif

/// Reads an exported model back by its own reader and compares what both compute, and how both
/// read and write text.
///
/// Where the export rounds weights, it has to compute what the model computes with weights that are
/// rounded in the same way; what rounding itself changes is told apart.
public struct ExportCheck: Sendable {
  /// The largest difference of a logit, as a share of the largest logit.
  public let difference: Double
  /// Logits compared.
  public let logitCount: Int
  /// The greedy continuation by the model as rounded, and by what was read back.
  public let texts: [String]
  /// What of the tokenizer differs, in words; empty if nothing does.
  public let tokenizerDifferences: [String]
  /// What rounding changes; nil if the export's element type keeps every weight.
  public let rounding: Rounding?

  /// What rounding the weights changes.
  public struct Rounding: Sendable {
    /// The largest difference of a logit, as a share of the largest logit.
    public let difference: Double
    /// Whether the greedy continuation stays the same.
    public let keepsText: Bool
  }

  /// Whether the export is what was to be written: the same logits, text and tokenizer.
  public var holds: Bool {
    texts[0] == texts[1] && difference <= Self.tolerance && tokenizerDifferences.isEmpty
  }

  /// Sums in another order, at most.
  private static let tolerance = 1e-4
  private static let prompts = [
    "The", "It was a bright cold day in April, and", "In 1969, 3 people said: \"1 + 1 = 2\".",
  ]

  /// Compares a model with what `format` makes of the export.
  ///
  /// - Parameters:
  ///   - elementType: the type in which the export's matrices are stored.
  ///   - found: what the exported files hold.
  ///   - temporary: the path of a file that may be written.
  /// - Throws: what computing a pass throws.
  init(
    _ model: ExportedModel, as format: any ExportFormat.Type, elementType: ForeignElementType,
    threads: Int, found: (checkpoint: Checkpoint, deltas: [Delta]), temporary: String
  ) throws {
    let tokenizer = try model.checkpoint.loadTokenizer()
    let begin = tokenizer.beginOfSequence.map { [$0] } ?? []
    let prompts = try Self.prompts.map { begin + (try tokenizer.encode($0)) }
    let pool = try WorkerPool(threads: threads)
    func compute(_ checkpoint: Checkpoint, _ deltas: [(Delta, Double)]) throws -> Continuations {
      try Continuations(
        try ModelWeights(checkpoint, deltas: deltas), of: prompts,
        tokens: KnownTokens(tokenizer), pool)
    }
    let own = try compute(model.checkpoint, model.deltas.map { ($0.delta, $0.scale) })
    var expected = own
    if elementType == .f32 || elementType == format.usualElementType(of: model) {
      rounding = nil
    } else {
      defer { unlink(temporary) }
      let rounded = try format.rounded(
        model, as: elementType, like: found.checkpoint, temporary: temporary)
      expected = try compute(rounded.checkpoint, rounded.deltas.map { ($0, 1) })
      rounding = Rounding(
        difference: own.difference(from: expected), keepsText: own.ids == expected.ids)
    }
    let other = try compute(found.checkpoint, found.deltas.map { ($0, 1) })
    difference = expected.difference(from: other)
    logitCount = expected.logits.reduce(0) { $0 + $1.count }
    texts = try [expected.ids, other.ids].map { try tokenizer.decode($0) }
    tokenizerDifferences =
      try TokenizerComparison(
        model.checkpoint, found.checkpoint, texts: Self.prompts + [VocabularyTable.probe],
        ids: other.ids
      ).differences
  }
}

/// What a model computes of prompts.
private struct Continuations {
  /// Behind each prompt.
  let logits: [[Float]]
  /// The greedy continuation of the second one.
  private(set) var ids: [Int32] = []

  private static let tokens = 24

  init(
    _ weights: ModelWeights, of prompts: [[Int32]], tokens: KnownTokens, _ pool: WorkerPool
  ) throws {
    let longest = prompts.reduce(0) { max($0, $1.count) } + Self.tokens
    let generator = try Generator(
      weights, capacity: min(weights.configuration.contextLength, longest), pool: pool,
      kernels: Kernels.forThisMachine())
    logits = prompts.map { Array(generator.read($0)) }
    var sampler = Sampler(temperature: 0, topP: 1, seed: 0)
    var ids: [Int32] = []
    try generator.generate(
      prompt: prompts[1], maxTokens: Self.tokens, tokens: tokens, sampler: &sampler,
      stop: { _ in false },
      emit: {
        ids.append($0)
        return true
      })
    self.ids = ids
  }

  /// The largest difference of a logit as a share of the largest one here.
  func difference(from other: Continuations) -> Double {
    var (largest, worst) = (0.0, 0.0)
    for (a, b) in zip(logits.joined(), other.logits.joined()) {
      largest = max(largest, Double(a.magnitude))
      worst = max(worst, (a - b).isNaN ? .infinity : Double((a - b).magnitude))
    }
    return worst / max(largest, .leastNormalMagnitude)
  }
}

extension ExportCheck {
  /// Exports a model and, if asked to, reads it back and compares.
  ///
  /// - Parameters:
  ///   - path: the file or folder to write.
  ///   - verifies: whether to compare. What was written stays, also where it differs.
  ///   - forces: write it even if the type rounds much of the deltas' update away.
  /// - Returns: the format's notes, and the comparison.
  /// - Throws: `RunsError.exportDiffers` if the comparison fails, `CheckpointError.updateLost`, and
  ///   what writing throws.
  public static func export(
    _ model: ExportedModel, as format: any ExportFormat.Type, elementType: ForeignElementType?,
    to path: String, verifies: Bool, forces: Bool = false, threads: Int
  ) throws -> (notes: [String], check: ExportCheck?) {
    let type = elementType ?? format.usualElementType(of: model)
    let survival = format.survival(of: model, as: type)
    if !forces {
      let wider = format.elementTypes.first == type ? "" : "take a wider --dtype, or "
      try survival?.check(output: path, next: wider + "--force writes it as it is")
    }
    let line = survival?.line
    let notes = try format.write(model, as: type, to: path) + (line.map { [$0] } ?? [])
    guard verifies else { return (notes, nil) }
    // Beside the export, where its like has room; without a name as soon as it is mapped.
    let temporary = AtomicFile.temporaryName(for: path)
    defer { unlink(temporary) }
    let found = try format.readBack(path, base: model.checkpoint, temporary: temporary)
    let check = try ExportCheck(
      model, as: format, elementType: type, threads: threads, found: found,
      temporary: AtomicFile.temporaryName(for: path))
    guard check.holds else { throw RunsError.exportDiffers(path: path, check) }
    return (notes, check)
  }
}
