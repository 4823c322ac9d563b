import Adaptations
import Checkpoints
import Compilation
import Datasets
import Execution
import Recipes
import Records
import Reports
import Storage
import Tensors
import Training

/// A recipe to start from that fits a model, a text and this machine: windows as long as the text
/// wants, and batches that memory holds.
public struct NewRecipe {
  /// The recipe with a comment on each line.
  public let text: String

  /// What is measured of model, text and machine.
  private struct Findings {
    var hasRows = false
    var tokens = 0
    var documents = 0
    var sequenceLength = 0
    var batchSize = 0
    var accumulation = 1
    var epochs = 2
    var steps = 0
    var threads = 0
    var planned = 0
    var available: Int?
    /// A limit where even one window at a time takes more than there is.
    var memoryMegabytes: Int?
  }

  /// - Parameters:
  ///   - model: the checkpoint's path; it and `data` are written as they are given.
  ///   - data: files, folders or globs to train on.
  ///   - name: the run's, for its output folder.
  ///   - schema: the path of recipes' JSON Schema; nil for none.
  ///   - folder: what relative paths start from: the recipe's folder.
  /// - Throws: what opening the model and reading the text throws.
  public init(
    model: String, data: [String], name: String, schema: String?, folder: String
  ) throws {
    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : folder + "/" + path }
    let checkpoint = try Checkpoint.open(absolute(model))
    let tokenizer = try checkpoint.loadTokenizer()
    let chats = try ChatChoice(nil, of: checkpoint, tokenizer: tokenizer)
    let source = try TokenizedText.prepare(
      data.map(absolute), use: "training",
      encoding: TextEncoding(rows: RowEncoding(.completions, chats)), tokenizer: tokenizer,
      cacheFolder: nil, keepsCache: false)
    var found = Findings()
    found.hasRows = source.hasRows
    (found.tokens, found.documents) = (source.stream.count, source.stream.documentCount)
    found.sequenceLength = Self.sequenceLength(
      source, context: checkpoint.configuration.contextLength)
    found.threads = WorkerPool.cores
    found.available = SystemMemory.availableBytes
    try Self.fit(&found, checkpoint)
    text = Self.text(
      found, model: model, data: data, name: name, schema: schema,
      context: checkpoint.configuration.contextLength)
  }

  /// Tokens in a window: of rows, what holds 19 of 20 of them whole; of text 256.
  private static func sequenceLength(_ source: TokenizedText, context: Int) -> Int {
    let lengths = source.documentLengths.sorted()
    let wanted = source.hasRows ? lengths[(lengths.count - 1) * 19 / 20] : 256
    var length = 64
    while length < wanted, length < 2048 { length *= 2 }
    return max(1, min(length, context, max(8, source.stream.count / 8)))
  }

  /// The share of free memory that a run may take.
  private static let memoryShare = 0.6
  /// Tokens of an optimizer step.
  private static let tokensPerStep = 2048

  /// Finds a batch that memory holds. What "auto" will train is not known yet: the plan is that of
  /// low-rank adaptation of every matrix at rank 32, which takes more than what is mostly chosen.
  private static func fit(_ found: inout Findings, _ checkpoint: Checkpoint) throws {
    let windows = max(1, found.tokens * 9 / 10 / found.sequenceLength)
    var step = max(1, min(32, tokensPerStep / found.sequenceLength))
    found.epochs = found.hasRows ? 3 : 2
    // A step for every window at most a twentieth of the run.
    while step > 1, found.epochs * windows / step < 20 { step /= 2 }
    found.batchSize = step
    let limit = found.available.map { Int(memoryShare * Double($0)) } ?? .max
    while true {
      found.planned = try planned(found, checkpoint)
      if found.planned <= limit { break }
      guard found.batchSize > 1 else {
        found.memoryMegabytes = limit / 1_000_000
        break
      }
      found.batchSize = (found.batchSize + 1) / 2
    }
    found.accumulation = max(1, step / found.batchSize)
    found.steps = max(1, found.epochs * windows / (found.batchSize * found.accumulation))
  }

  private static func planned(_ found: Findings, _ checkpoint: Checkpoint) throws -> Int {
    let nowhere = RecipePath("/", relativeTo: "/")
    var recipe = Recipe(model: nowhere, output: nowhere, train: [])
    recipe.data.sequenceLength = found.sequenceLength
    recipe.run.batchSize = found.batchSize
    recipe.run.length = .steps(1)
    let kernels = try Kernels.forThisMachine()
    let stream = TokenStream(ids: [], documentStarts: [], bytes: 0)
    let compiler = StepCompiler(
      checkpoint.configuration,
      settings: TrainingSettings(
        recipe, text: stream, precision: ProductPrecision(kernels.precision(.auto))),
      elementType: { checkpoint.tensor($0)?.elementType ?? .f32 })
    let adaptation = LoRARecipe(rank: 32).adaptation(of: checkpoint.configuration)
    return MemoryForecast(
      try compiler.compile(adaptation), threads: found.threads,
      runtimeBytes: ProcessMemory.residentBytes + MemoryForecast.growth
    ).total
  }
}

extension NewRecipe {
  private static func text(
    _ found: Findings, model: String, data: [String], name: String, schema: String?, context: Int
  ) -> String {
    func quoted(_ text: String) -> String { JSONValue.string(text).encoded() }
    let size = found.batchSize * found.accumulation
    let every = max(1, found.steps / 10)
    var lines: [(String, String)] = [("{", "")]
    if let schema {
      lines.append(("  \"$schema\": \(quoted(schema)),", "for editors: keys and what they may be"))
    }
    lines += [
      ("  \"model\": \(quoted(model)),", "the checkpoint to start from, never changed"),
      ("  \"output\": \(quoted("runs/" + name)),", "the run's folder: snapshots, events, a page"),
      ("  \"seed\": 0,", "the same seed, the same losses"),
      ("  \"data\": {", ""),
      (
        "    \"train\": [\(data.map(quoted).joined(separator: ", "))],",
        "\(Format.count(found.tokens)) tokens in \(found.documents) "
          + (found.hasRows ? "rows" : found.documents == 1 ? "document" : "documents")
      ),
      ("    \"validation\": 0.1,", "the share that is held out, to see what was learnt"),
      (
        "    \"sequence_length\": \(found.sequenceLength),",
        (found.hasRows ? "19 of 20 rows fit whole" : "tokens that are read together")
          + "; the model was made for \(context)"
      ),
      ("  },", ""),
      ("  \"method\": { \"type\": \"auto\" },", "what trains is chosen by short runs first"),
      (
        "  \"optimizer\": { \"learning_rate\": \"auto\" },",
        "calibrated with them; a number fixes it"
      ),
      (
        "  \"schedule\": { \"warmup_steps\": \(min(20, max(1, found.steps / 10))) },",
        "steps up to the full rate"
      ),
      ("  \"run\": {", ""),
      ("    \"epochs\": \(found.epochs),", "passes over the text, about \(found.steps) steps"),
      (
        "    \"batch_size\": \(found.batchSize),",
        "windows at a time: about \(Format.bytes(found.planned))"
          + (found.available.map { " of \(Format.bytes($0)) that are free" } ?? "")
      ),
      (
        "    \"accumulation\": \(found.accumulation),",
        "batches in a step, so \(size) \(size == 1 ? "window" : "windows")"
      ),
      ("    \"threads\": \(found.threads),", "the cores that this process may use"),
    ]
    if let limit = found.memoryMegabytes {
      lines.append(
        ("    \"memory_mb\": \(limit),", "activations are computed twice to keep to it"))
    }
    lines += [
      ("    \"validate_every\": \(every),", "steps; ten times in a run"),
      ("    \"save_every\": \(max(1, 2 * every)),", "steps; --resume goes on from there"),
      ("  },", ""), ("}", ""),
    ]
    let width = lines.filter { !$0.1.isEmpty }.map(\.0.count).max() ?? 0
    return lines.map { line, comment in
      comment.isEmpty
        ? line : line + String(repeating: " ", count: width - line.count + 2) + "// " + comment
    }.joined(separator: "\n") + "\n"
  }
}
