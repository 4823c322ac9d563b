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

/// Reads an exported model back by its own reader and compares what both compute.
public struct ExportCheck {
  /// The largest difference of a logit, as a share of the largest logit.
  public let difference: Double
  /// Logits compared.
  public let logitCount: Int
  /// The greedy continuation by the model, and by what was read back.
  public let texts: [String]
  /// Whether the export's element type keeps every weight.
  public let isExact: Bool

  /// Whether the export is what was to be written: the same text and logits, or logits within
  /// `tolerance` where the element type rounds weights.
  public var holds: Bool {
    isExact ? texts[0] == texts[1] && difference <= Self.exactTolerance : difference <= tolerance
  }

  private let tolerance: Double
  /// Sums in another order, at most.
  private static let exactTolerance = 1e-4
  private static let prompts = [
    "The", "It was a bright cold day in April, and", "In 1969, 3 people said: \"1 + 1 = 2\".",
  ]
  private static let textTokens = 24

  /// Compares a model with what `reader` makes of the export.
  ///
  /// - Parameters:
  ///   - elementType: the type in which the export's matrices are stored.
  ///   - found: what the exported files hold.
  /// - Throws: what computing a pass throws.
  public init(
    _ model: ExportedModel, elementType: ForeignElementType, threads: Int, found: ModelWeights
  ) throws {
    let pool = try WorkerPool(threads: threads)
    let kernels = try Kernels.forThisMachine()
    let tokenizer = try model.checkpoint.loadTokenizer()
    let begin = tokenizer.beginOfSequence.map { [$0] } ?? []
    let prompts = try Self.prompts.map { begin + (try tokenizer.encode($0)) }
    func compute(_ weights: ModelWeights) throws -> ([[Float]], String) {
      let longest = prompts.reduce(0) { max($0, $1.count) } + Self.textTokens
      let generator = try Generator(
        weights, capacity: min(weights.configuration.contextLength, longest), pool: pool,
        kernels: kernels)
      let logits = prompts.map { Array(generator.read($0)) }
      var sampler = Sampler(temperature: 0, topP: 1, seed: 0)
      var ids: [Int32] = []
      try generator.generate(
        prompt: prompts[1], maxTokens: Self.textTokens, sampler: &sampler, stop: { _ in false },
        emit: {
          ids.append($0)
          return true
        })
      return (logits, tokenizer.decode(ids))
    }
    let (expected, text) = try compute(ModelWeights(model.checkpoint, deltas: model.deltas))
    let (logits, other) = try compute(found)
    var (largest, worst) = (0.0, 0.0)
    for (a, b) in zip(expected.joined(), logits.joined()) {
      largest = max(largest, Double(a.magnitude))
      worst = max(worst, (a - b).isNaN ? .infinity : Double((a - b).magnitude))
    }
    difference = worst / max(largest, .leastNormalMagnitude)
    logitCount = expected.reduce(0) { $0 + $1.count }
    texts = [text, other]
    isExact = elementType == .f32 || elementType == model.elementType
    tolerance = elementType == .q4 ? 0.5 : 0.1
  }
}

extension ExportCheck {
  /// Exports a model and, if asked to, reads it back and compares.
  ///
  /// - Parameters:
  ///   - path: the file or folder to write.
  ///   - verifies: whether to compare. What was written stays, also where it differs.
  /// - Returns: the format's notes, and the comparison.
  /// - Throws: `RunsError.exportDiffers` if the comparison fails, and what writing throws.
  public static func export(
    _ model: ExportedModel, as format: any ExportFormat.Type, elementType: ForeignElementType?,
    to path: String, verifies: Bool, threads: Int
  ) throws -> (notes: [String], check: ExportCheck?) {
    let type = elementType ?? format.usualElementType(of: model)
    let notes = try format.write(model, as: type, to: path)
    guard verifies else { return (notes, nil) }
    // Beside the export, where its like has room; without a name as soon as it is mapped.
    let temporary = AtomicFile.temporaryName(for: path)
    defer { unlink(temporary) }
    let read = try format.readBack(path, base: model.checkpoint, temporary: temporary)
    let weights = try ModelWeights(read.checkpoint, deltas: read.deltas.map { ($0, 1) })
    let check = try ExportCheck(model, elementType: type, threads: threads, found: weights)
    guard check.holds else {
      throw RunsError.exportDiffers(path: path, difference: check.difference, texts: check.texts)
    }
    return (notes, check)
  }
}
