import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A folder with a tiny model, a text and a recipe, and the program at work in it.
struct Workshop {
  let folder: TemporaryFolder
  /// Starts the program in the folder, so that messages name files without a test's own path.
  var sparseft: ProgramRunner

  /// - Parameters:
  ///   - method: the recipe's method as JSON.
  ///   - elementType: how the model's matrices are stored.
  init(method: String = #"{"type": "full"}"#, elementType: ElementType = .f32) throws {
    folder = try TemporaryFolder()
    sparseft = ProgramRunner(folder: folder.path)
    try RandomInitialisation.write(
      configuration: Self.configuration, tokenizer: Self.tokenizer(), seed: 3,
      elementType: elementType, output: folder["tiny.sfckpt"])
    try folder.write(Self.text(sentences: 100), to: "text.txt")
    try writeRecipe(method: method)
  }

  /// The tiny model's shape: three layers, grouped heads, a tied head; 35,552 parameters.
  static var configuration: ModelConfiguration {
    TinyModel.configuration(layers: 3, vocabularySize: 384, contextLength: 128)
  }

  static let tokenizerPath = SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"

  /// The tokenizer of `tokenizerPath`, as checkpoints store it.
  static func tokenizer() throws -> StoredTokenizer {
    StoredTokenizer(kind: "sentencepiece", bytes: try TemporaryFolder.read(tokenizerPath))
  }

  /// The folder of a small Hugging Face model.
  static func goldenFolder(_ name: String) -> String {
    SharedData.packageRoot + "/Tests/Golden/" + name
  }

  /// Writes `recipe.json`: three steps of 2 windows of 16 tokens, validation at the end.
  func writeRecipe(method: String) throws {
    try folder.write(
      """
      {
        // A comment, as people write them.
        "model": "tiny.sfckpt",
        "output": "run",
        "seed": 1,
        "data": { "train": ["text.txt"], "validation": 0.1, "sequence_length": 16 },
        "method": \(method),
        "optimizer": { "learning_rate": 1e-2 },
        "schedule": { "warmup_steps": 1 },
        "run": { "steps": 3, "batch_size": 2, "validate_every": 0, "save_every": 0 },
      }
      """, to: "recipe.json")
  }

  /// Runs the recipe and expects success.
  @discardableResult
  func finetune(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    try succeed(["finetune", "recipe.json"] + arguments, sourceLocation: sourceLocation)
  }

  /// Runs the program and expects success; the test ends here if it fails.
  @discardableResult
  func succeed(
    _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try sparseft.run(arguments)
    try #require(
      outcome.exitCode == 0,
      "sparseft \(arguments.joined(separator: " ")): \(outcome.error)",
      sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs a script of a shell in the folder.
  ///
  /// - Returns: its exit code.
  func shell(_ script: String) throws -> Int32 {
    var runner = sparseft
    runner.executable = "/bin/sh"
    return try runner.run(["-c", script]).exitCode ?? -1
  }

  /// The JSON objects of a file with one in each line.
  func jsonLines(_ name: String) throws -> [JSONValue] {
    let text = String(decoding: try folder.read(name), as: UTF8.self)
    return try text.split(separator: "\n").map {
      try JSONValue.decode(String($0), source: name)
    }
  }

  /// The JSON object of a file.
  func json(_ name: String) throws -> JSONValue {
    try JSONValue.read(path: folder[name], .strict)
  }

  /// Losses of a run by step, from its event file.
  func losses(_ name: String = "run/events.jsonl") throws -> [Int: Double] {
    var losses: [Int: Double] = [:]
    for event in try jsonLines(name) where event["type"] == "step" {
      losses[try #require(event["step"]?.int)] = event["loss"]?.double
    }
    return losses
  }

  /// Every file below the folder by its path in it, sorted.
  var files: [String] { Self.files(below: folder.path).sorted() }

  /// Partial files of writers that were stopped.
  var leftovers: [String] { files.filter { $0.hasSuffix(".partial") } }

  private static func files(below path: String, prefix: String = "") -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var result: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      if entry.pointee.d_type == UInt8(DT_DIR) {
        result += files(below: "\(path)/\(name)", prefix: "\(prefix)\(name)/")
      } else {
        result.append(prefix + name)
      }
    }
    return result
  }

  /// English-looking sentences, the same ones every time.
  static func text(sentences: Int, seed: UInt64 = 7) -> String {
    let words = """
      the a cat dog bird tree house garden sees likes finds red big small old runs over under day \
      night and then
      """.split(separator: " ")
    var random = RandomSource(seed: seed)
    return (0..<sentences).map { _ in
      let chosen = (0..<9).map { _ in words[Int(random.next() % UInt64(words.count))] }
      return chosen.joined(separator: " ") + ".\n"
    }.joined()
  }
}

extension JSONValue {
  /// The object's keys.
  var keys: Set<String> { Set(object?.members.map(\.key) ?? []) }
}
