import Checkpoints
import Execution
import Interchange
import Storage
import Synchronization
import TestSupport
import Training

/// A case of `Tests/Golden`: a model of the Hugging Face layout, imported in f32, and the figures
/// that PyTorch computed for it (`make_golden.py` says what each means).
final class GoldenCase: Sendable {
  static let names = [
    "gqa-tied", "mha-untied-llama3", "linear-rope-f16", "qwen2-bias", "qwen3", "mistral", "phi3",
    "gemma3",
  ]

  let checkpoint: Checkpoint
  let figures: JSONValue
  private let folder: TemporaryFolder

  private init(_ name: String) throws {
    let source = SharedData.packageRoot + "/Tests/Golden/" + name
    folder = try TemporaryFolder()
    try CheckpointImport.run(
      source: source, tokenizer: nil, elementType: .f32, output: folder["model.sfckpt"])
    checkpoint = try Checkpoint.open(folder["model.sfckpt"])
    figures = try JSONValue.read(path: source + "/figures.json")
  }

  private static let loaded = Mutex<[String: GoldenCase]>([:])

  /// The case of that name; imported once, for all tests.
  static func named(_ name: String) throws -> GoldenCase {
    try loaded.withLock { loaded in
      if let known = loaded[name] { return known }
      let fresh = try GoldenCase(name)
      loaded[name] = fresh
      return fresh
    }
  }

  /// The batches of the ten steps.
  func batches() throws -> [GoldenBatch] { try figures.list("batches").map(GoldenBatch.init) }

  /// The run of a method.
  func run(_ method: GoldenMethod) throws -> GoldenRun {
    for run in try figures.list("runs") where run["name"]?.string == method.rawValue {
      return try GoldenRun(run)
    }
    throw GoldenError(what: "run \(method.rawValue)")
  }
}

/// Windows of tokens with their targets, window after window.
struct GoldenBatch {
  let windows: Int
  let tokens: Int
  let inputs: [Int32]
  let targets: [Int32]
  let documentStarts: [Int32]

  init(_ json: JSONValue) throws {
    func rows(_ key: String) throws -> [[Int32]] {
      try json.list(key).map { try $0.numbers().map { Int32($0) } }
    }
    let inputs = try rows("inputs")
    windows = inputs.count
    tokens = inputs.first?.count ?? 0
    self.inputs = inputs.flatMap { $0 }
    targets = try rows("targets").flatMap { $0 }
    documentStarts = try rows("documentStarts").flatMap { $0 }
  }

  var shape: BatchShape { BatchShape(windows: windows, tokens: tokens) }

  /// Writes the batch where a session's programs read it.
  func write(to batch: BatchMemory) {
    _ = batch.tokens.update(from: inputs)
    _ = batch.targets.update(from: targets)
    _ = batch.starts.update(from: documentStarts)
  }

  /// Writes the batch where a program reads it.
  func write(to bound: BoundProgram) throws {
    write(to: try BatchMemory(bound, below: nil))
  }
}

/// The methods of the golden runs, by their names in `figures.json`.
enum GoldenMethod: String, CaseIterable, Sendable {
  case full, sparse
  case sparseRows = "sparse-rows"
  case lora
  /// Full fine-tuning by SGD.
  case sgd
}

/// Ten steps of one method.
struct GoldenRun {
  let name: String
  let optimizer: Optimizer
  let learningRate: Double
  let clipNorm: Double
  /// Rank and alpha of a low-rank run.
  let adapter: (rank: Int, alpha: Double)?
  /// The rows of each parameter that train.
  let trained: [String: Range<Int>]
  let losses: [Double]
  let gradientNorms: [Double]
  /// Of every trained parameter after the last step, its frozen rows included.
  let parameters: [String: Fingerprint]

  init(_ json: JSONValue) throws {
    name = try json.member("name").string ?? ""
    let settings = try json.member("optimizer")
    let decay = try settings.number("weightDecay")
    if settings["type"]?.string == "sgd" {
      optimizer = .sgd(SGD(momentum: try settings.number("momentum"), weightDecay: decay))
    } else {
      let betas = try settings.member("betas").numbers()
      optimizer = .adamW(
        AdamW(
          firstBeta: betas[0], secondBeta: betas[1], epsilon: try settings.number("epsilon"),
          weightDecay: decay))
    }
    learningRate = try settings.number("learningRate")
    clipNorm = try settings.number("clipNorm")
    let adapter = try json.member("adapter")
    self.adapter =
      adapter.isNull ? nil : (Int(try adapter.number("rank")), try adapter.number("alpha"))
    trained = try json.table("trained") { value in
      let bounds = try value.numbers()
      return Int(bounds[0])..<Int(bounds[1])
    }
    losses = try json.member("losses").numbers()
    gradientNorms = try json.member("gradientNorms").numbers()
    parameters = try json.table("parameters", Fingerprint.init)
  }
}

/// A figure that a golden file should have and has not.
struct GoldenError: Error {
  let what: String
}

extension JSONValue {
  func member(_ key: String) throws -> JSONValue {
    guard let value = self[key] else { throw GoldenError(what: key) }
    return value
  }

  func list(_ key: String) throws -> [JSONValue] {
    guard let list = try member(key).array else { throw GoldenError(what: key) }
    return list
  }

  func number(_ key: String) throws -> Double {
    guard let number = try member(key).double else { throw GoldenError(what: key) }
    return number
  }

  func numbers() throws -> [Double] {
    try (array ?? []).map { value in
      guard let number = value.double else { throw GoldenError(what: "a number") }
      return number
    }
  }

  func table<Value>(
    _ key: String, _ read: (JSONValue) throws -> Value
  ) throws -> [String: Value] {
    guard let members = try member(key).object?.members else { throw GoldenError(what: key) }
    return try Dictionary(uniqueKeysWithValues: members.map { ($0.key, try read($0.value)) })
  }
}
