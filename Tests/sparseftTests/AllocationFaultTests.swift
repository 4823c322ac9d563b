import Checkpoints
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Every way that the program comes to ask the system for memory or a thread is refused once: it ends
/// with a message, or does without and says the same. What was saved before is whole.
@Suite struct AllocationFaultTests {
  private static let run = [
    "finetune", "recipe.json", "run.steps=4", "run.save_every=2", "run.validate_every=2",
    "schedule.type=constant", "run.products=tiles",
  ]

  /// Commands that end soon, by what they leave beside what they print.
  private static let commands: [(arguments: [String], output: String?)] = [
    (["tokenize", "--model", "tiny.sfckpt", "--text", "the café cat", "--json"], nil),
    (
      [
        "generate", "--model", "tiny.sfckpt", "--prompt", "the", "--max-tokens", "8",
        "--temperature", "0",
      ], nil
    ),
    (["eval", "--model", "tiny.sfckpt", "--delta", "delta", "--data", "text.txt", "--json"], nil),
    (["inspect", "tiny.sfckpt", "--json"], nil),
    (["export-delta", "whole", "-o", "out"], "out"),
    (["apply-delta", "--model", "tiny.sfckpt", "--delta", "delta", "-o", "out"], "out"),
    (["import", Workshop.goldenFolder("gqa-tied"), "-o", "out"], "out"),
    (
      ["export", "tiny.sfckpt", "--delta", "delta", "--format", "gguf", "-o", "out", "--force"],
      "out"
    ),
    (["export", "tiny.sfckpt", "--format", "hf", "-o", "folder"], nil),
    (["finetune", "recipe.json", #"compare=[{"type": "norms"}]"#, "run.products=tiles"], nil),
  ]

  @Test(arguments: Tokenization.allCases, ["library", "mapping", "thread"])
  func everyRequestOfACommand(_ tokenization: Tokenization, _ kind: String) throws {
    let shop = try Workshop(tokenization)
    try shop.succeed(Self.run + ["output=whole"])
    try shop.succeed(["export-delta", "whole", "-o", "delta"])
    let refused = try RefusedRequests(kind, shop)
    var tried = 0
    for (arguments, output) in Self.commands {
      func clear() throws { _ = try shop.shell("rm -rf run out folder") }
      try clear()
      let (clean, _, chosen) = try refused.requests(of: arguments, sample: 2)
      #expect(clean.exitCode == 0, "\(arguments): \(clean.error)")
      let written = try output.map { try shop.folder.read($0) }
      let files = shop.files
      for number in chosen {
        try clear()
        let outcome = try refused.run(arguments, refusing: number)
        let place: Testing.Comment =
          "request \(number) of \(kind) of \(arguments.joined(separator: " ")): \(outcome.error)"
        tried += 1
        guard outcome.exitCode == 0 else {
          #expect(outcome.signal == nil && [73, 74].contains(outcome.exitCode), place)
          #expect(outcome.error.contains("error: "), place)
          #expect(Set(shop.files).isSubset(of: files), place)
          continue
        }
        #expect(try Self.saysTheSame(outcome, clean, arguments), place)
        if let output { #expect(try shop.folder.read(output) == written, place) }
      }
    }
    #expect(tried > 0)
  }

  /// Whether a command says the same as at another time, but for what differs from run to run.
  private static func saysTheSame(
    _ one: Outcome, _ other: Outcome, _ arguments: [String]
  ) throws -> Bool {
    switch arguments.first {
    case "finetune": return true
    case "eval":
      // Which variant computes a matmul is timed anew, which changes a loss's last digits.
      let losses = try [one, other].map { outcome in
        try outcome.jsonLines().map { try #require($0["loss"]?.double) }
      }
      return losses[0].count == losses[1].count
        && zip(losses[0], losses[1]).allSatisfy { abs($0 - $1) < 1e-5 }
    default: return one.output == other.output
    }
  }

  @Test(arguments: Tokenization.allCases, ["library", "mapping", "thread"])
  func everyRequestOfARun(_ tokenization: Tokenization, _ kind: String) throws {
    let shop = try Workshop(tokenization)
    try shop.succeed(Self.run + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    let refused = try RefusedRequests(kind, shop)
    let (clean, _, chosen) = try refused.requests(of: Self.run, sample: 3)
    #expect(clean.exitCode == 0 && !chosen.isEmpty, "\(clean.error)")
    for number in chosen {
      _ = try shop.shell("rm -rf run")
      let outcome = try refused.run(Self.run, refusing: number)
      let place: Testing.Comment = "request \(number) of \(kind): \(outcome.error)"
      #expect(outcome.signal == nil && [0, 73, 74].contains(outcome.exitCode), place)
      try shop.expectWhole(after: outcome, Self.run, losses: losses, place)
    }
  }

  /// Going on from what was saved asks for other memory than starting.
  @Test(arguments: ["library", "mapping"]) func everyRequestOfAResumedRun(_ kind: String) throws {
    let shop = try Workshop()
    let whole = Self.run + ["run.steps=6"]
    try shop.succeed(whole + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    try shop.succeed(Self.run)
    let resumed = whole + ["--resume", "--accept-changes"]
    func restore() throws { _ = try shop.shell("rm -rf run && cp -r saved run") }
    _ = try shop.shell("cp -r run saved")
    let refused = try RefusedRequests(kind, shop)
    let (clean, _, chosen) = try refused.requests(of: resumed, sample: 3)
    #expect(clean.exitCode == 0 && !chosen.isEmpty, "\(clean.error)")
    for number in chosen {
      try restore()
      let outcome = try refused.run(resumed, refusing: number)
      let place: Testing.Comment = "request \(number) of \(kind): \(outcome.error)"
      #expect(outcome.signal == nil && [0, 73, 74].contains(outcome.exitCode), place)
      if outcome.exitCode != 0 { try shop.succeed(resumed) }
      #expect(try shop.losses() == losses, place)
      let steps = try shop.jsonLines("run/events.jsonl").filter { $0["type"] == "step" }
      #expect(steps.compactMap { $0["step"]?.int } == Array(1...6), place)
    }
  }

  /// Swift ends the process where a small object gets no memory, which nothing can make an error of.
  /// What was saved before is whole all the same.
  @Test func aRefusalThatEndsTheProcess() throws {
    let shop = try Workshop()
    try shop.succeed(Self.run + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    let refused = try RefusedRequests("swift", shop)
    let (clean, total, _) = try refused.requests(of: Self.run, sample: 0)
    #expect(clean.exitCode == 0 && total > 10_000, "\(clean.error)")
    let count = Workshop.triesAllFaults ? 100 : 5
    var ended = 0
    for index in 0..<count {
      _ = try shop.shell("rm -rf run")
      let number = (2 * index + 1) * total / (2 * count)
      let outcome = try refused.run(Self.run, refusing: number)
      let place: Testing.Comment = "request \(number) of \(total): \(outcome.error)"
      // A few objects are done without.
      #expect(outcome.signal != nil || outcome.exitCode == 0, place)
      if outcome.signal != nil { ended += 1 }
      try shop.expectWhole(after: outcome, Self.run, losses: losses, place)
    }
    #expect(2 * ended > count, "\(ended) of \(count) requests end the process")
  }
}

/// The kinds of tokenizers, which ask for memory in different libraries.
enum Tokenization: String, CaseIterable {
  case sentencePiece = "sentencepiece"
  case bytePair = "bpe"
}

extension Workshop {
  /// A shop whose model has a tokenizer of a kind.
  init(_ tokenization: Tokenization) throws {
    try self.init()
    guard tokenization == .bytePair else { return }
    try RandomInitialisation.write(
      configuration: Self.configuration,
      tokenizer: StoredTokenizer(kind: tokenization.rawValue, bytes: Self.byteLevelTokenizer),
      seed: 3, elementType: .f32, output: folder["tiny.sfckpt"])
  }

  /// A `tokenizer.json` with all bytes, a few merges, and GPT-2's way of splitting.
  private static var byteLevelTokenizer: [UInt8] {
    // How byte-level vocabularies spell a byte.
    let printable = Array(UInt32(0x21)...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let others = (UInt32(0)..<0x100).filter { !printable.contains($0) }
    let scalars = printable + others.indices.map { 0x100 + UInt32($0) }
    let merges = ["t h", "th e", "Ġ the", "Ġ a"]
    let pieces =
      scalars.map { Unicode.Scalar($0).map { String($0) } ?? "" }
      + merges.map { $0.filter { $0 != " " } }
    let end: JSONValue = [
      "id": .int(pieces.count), "content": "<|end|>", "special": true, "single_word": false,
      "lstrip": false, "rstrip": false, "normalized": false,
    ]
    let file: JSONValue = [
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
      "decoder": ["type": "ByteLevel"], "added_tokens": [end],
      "model": [
        "type": "BPE",
        "vocab": .object(JSONObject(pieces.enumerated().map { ($1, .int($0)) })),
        "merges": .array(merges.map { .string($0) }),
      ],
    ]
    return Array(file.encoded().utf8)
  }
}
