import Storage

/// The length of a run, its batches, and when it validates and saves snapshots.
public struct RunRecipe: Hashable, Sendable {
  public var length: RunLength = .epochs(2)
  /// Windows per batch.
  public var batchSize = 8
  /// Batches whose gradients are summed for one optimizer step.
  public var accumulation = 1
  public var threads = 2
  public var precision = PrecisionChoice.auto
  public var products = ProductsChoice.auto
  /// How gate and up of MLPs are kept from the forward to the backward pass.
  public var keptGates = GateStorageChoice.computed
  /// Limit on the planned peak in megabytes of 1,000,000 bytes; nil for none. Activations are
  /// recomputed instead of stored as far as the limit requires.
  public var memoryMegabytes: Double?
  /// Steps between validations; `saveEvery` between snapshots; 0 for none during the run.
  public var validateEvery = 50
  public var saveEvery = 100
  /// When to stop before the end, because validations find no new best.
  public var earlyStopping = EarlyStopping.auto
  /// Disk space for caching the frozen blocks' outputs, in megabytes of 1,000,000 bytes; 0 caches
  /// nothing.
  public var prefixCacheMegabytes = 4000.0
  /// Whether the token ids of the texts stay in the run's folder when it ends: they are the text in
  /// another spelling.
  public var keepCache = true
  /// Whether the run also writes TensorBoard event files.
  public var tensorBoard = false
  /// Text generated before and after training; nil for none.
  public var sample: SampleRecipe?

  public init() {}

  /// `memoryMegabytes` in bytes.
  public var memoryBytes: Int? { memoryMegabytes.map { Int($0 * 1e6) } }

  /// `prefixCacheMegabytes` in bytes.
  public var prefixCacheBytes: Int { Int(prefixCacheMegabytes * 1e6) }
}

/// When a run stops because its validations find no new best; the best snapshot is kept.
public enum EarlyStopping: Hashable, Sendable {
  /// In a run of several epochs with validations: after four in a row that found no new best, the
  /// last of which is clearly worse. A run of steps is never stopped.
  case auto
  case never
  /// After this many validations without a new best.
  case after(validations: Int)
}

/// Element type that matmuls multiply.
public enum PrecisionChoice: String, Hashable, Sendable, CaseIterable {
  /// bf16, or int8 on an int8 model, where this CPU has instructions for it, else f32.
  case auto
  case f32, bf16
  /// Like `bf16`, but matmuls with the checkpoint's matrices multiply int8 integers.
  case int8
}

/// Which variant computes a matmul if there are several.
public enum ProductsChoice: String, Hashable, Sendable, CaseIterable {
  /// The variant that is fastest for the matmul's shape on this machine, measured once and stored.
  case auto
  /// f32 matmuls by OpenBLAS, or by the project's own kernels.
  case openblas, tiles
}

/// How the inputs of gated activations are kept for the backward pass.
public enum GateStorageChoice: String, Hashable, Sendable, CaseIterable {
  /// In the type in which they are computed.
  case computed
  /// As int8 with a scale per row: less memory, and gradients that are rounded a little.
  case int8
}

/// The end of a run: passes over the training windows, or optimizer steps.
public enum RunLength: Hashable, Sendable {
  case epochs(Int)
  case steps(Int)
}

/// A text to generate before and after training.
public struct SampleRecipe: Hashable, Sendable, RecipeSection {
  public var prompt: String
  public var maxTokens = 64
  /// Sampling temperature; 0 always takes the most likely token.
  public var temperature = 0.8
  /// Samples from the most likely tokens whose probabilities sum to at least this, in (0, 1].
  public var topP = 0.9

  public init(prompt: String) { self.prompt = prompt }

  mutating func visit(_ fields: RecipeFields) {
    fields.required("prompt", &prompt, .string)
    fields("max_tokens", &maxTokens, .integer(1...1_048_576))
    fields("temperature", &temperature, .number(Interval(lower: 0, upper: 10)))
    fields("top_p", &topP, .number(.share))
  }
}

extension RunRecipe: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    var epochs: Int?
    var steps: Int?
    switch length {
    case .epochs(let count): epochs = count
    case .steps(let count): steps = count
    }
    (epochs, steps) = fields.either(
      ("epochs", epochs), or: ("steps", steps), .integer(1...1_000_000_000))
    if let steps { length = .steps(steps) } else if let epochs { length = .epochs(epochs) }
    fields("batch_size", &batchSize, .integer(1...65536))
    fields("accumulation", &accumulation, .integer(1...65536))
    fields("threads", &threads, .integer(1...1024))
    fields("precision", &precision, .choice())
    fields("products", &products, .choice())
    fields("kept_gates", &keptGates, .choice())
    let memory = Interval(lower: 0, upper: 1e9, includesLower: false)
    fields("memory_mb", &memoryMegabytes, .optional(.number(memory)))
    fields("validate_every", &validateEvery, .integer(0...1_000_000_000))
    fields("save_every", &saveEvery, .integer(0...1_000_000_000))
    fields("early_stopping", &earlyStopping, .earlyStopping)
    fields(
      "prefix_cache_mb", &prefixCacheMegabytes, .number(Interval(lower: 0, upper: 1_000_000_000)))
    fields("keep_cache", &keepCache, .bool)
    fields("tensorboard", &tensorBoard, .bool)
    fields("sample", &sample, .optional(.section(SampleRecipe(prompt: ""))))
  }
}

extension RecipeKind<EarlyStopping> {
  /// "auto", a number of validations, or null for never.
  static var earlyStopping: RecipeKind {
    leaf(
      "'auto', a number of validations of at least 1, or null",
      schema: .anyOf([
        ["const": "auto"], ["type": "null"], RecipeKind<Int>.integer(1...1_000_000_000).schema(),
      ]), words: ["auto"],
      { json in
        if json.isNull { return .never }
        if json.string == "auto" { return .auto }
        return json.int.flatMap { (1...1_000_000_000).contains($0) ? .after(validations: $0) : nil }
      },
      write: { choice in
        switch choice {
        case .auto: "auto"
        case .never: .null
        case .after(let count): .int(count)
        }
      })
  }
}
