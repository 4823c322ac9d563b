import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Damaged files: always an exit code and a message that names the file, never a signal, and never
/// an output.
@Suite struct DamageTests {
  /// A way to damage a file.
  enum Damage: Sendable, CustomStringConvertible {
    case cut(to: Double)
    case cutBy(Int)
    case flip(at: Int)
    case flipFromEnd(Int)

    var description: String {
      switch self {
      case .cut(let share): "cut to \(share)"
      case .cutBy(let count): "cut by \(count)"
      case .flip(let offset): "flipped at \(offset)"
      case .flipFromEnd(let offset): "flipped at \(offset) from the end"
      }
    }

    func apply(to bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      switch self {
      case .cut(let share): bytes.removeLast(bytes.count - Int(share * Double(bytes.count)))
      case .cutBy(let count): bytes.removeLast(min(count, bytes.count))
      case .flip(let offset): bytes[min(offset, bytes.count - 1)] ^= 0x10
      case .flipFromEnd(let offset): bytes[max(0, bytes.count - 1 - offset)] ^= 0x10
      }
      return bytes
    }
  }

  static let cuts: [Damage] = [
    .cut(to: 0), .cut(to: 1e-4), .cut(to: 0.01), .cut(to: 0.5), .cutBy(1),
  ]
  static let flips: [Damage] = [
    .flip(at: 0), .flip(at: 7), .flip(at: 8), .flip(at: 12), .flip(at: 20), .flip(at: 24),
    .flip(at: 40), .flip(at: 65), .flip(at: 90), .flip(at: 700), .flip(at: 5000),
    .flipFromEnd(0), .flipFromEnd(3000),
  ]

  @Test func ourOwnFilesAreHashed() throws {
    let shop = try Workshop(method: #"{"type": "lora", "rank": 2}"#)
    try shop.finetune()
    let files: [(name: String, commands: [[String]])] = [
      (
        "tiny.sfckpt",
        [
          ["inspect", "tiny.sfckpt"],
          [
            "apply-delta", "--model", "tiny.sfckpt", "--delta", "run/best/trained.sfdelta", "-o",
            "out",
          ],
        ]
      ),
      ("run/best/trained.sfdelta", [["export-delta", "run", "-o", "out"]]),
      (
        "run/last/state.sfstate",
        [["finetune", "recipe.json", "--resume"], ["inspect", "run/last/state.sfstate"]]
      ),
    ]
    for (name, commands) in files {
      let original = try shop.folder.read(name)
      for damage in Self.cuts + Self.flips {
        try shop.folder.write(damage.apply(to: original), to: name)
        let before = shop.files
        let outcome = try shop.sparseft.run(commands[0])
        #expect(outcome.exitCode == 65, "\(name) \(damage): \(outcome.error)")
        #expect(outcome.error.contains(name), "\(name) \(damage)")
        #expect(outcome.error.contains("found "), "\(name) \(damage)")
        #expect(outcome.error.contains("expected "), "\(name) \(damage)")
        #expect(shop.files == before, "\(name) \(damage)")
      }
      for other in commands.dropFirst() {
        let outcome = try shop.sparseft.run(other)
        #expect(outcome.exitCode == 65, "\(other): \(outcome.error)")
        #expect(!shop.files.contains("out"))
      }
      try shop.folder.write(original, to: name)
    }
  }

  /// Files of others carry no hash: a changed weight can't be seen, a changed header may still be
  /// another valid one. Whatever is refused is refused in words.
  @Test func filesOfOthersNeverCrash() throws {
    let shop = try Workshop()
    for name in ["config.json", "model.safetensors", "tokenizer.model"] {
      let original = try TemporaryFolder.read(Workshop.goldenFolder("gqa-tied") + "/" + name)
      try shop.folder.write(original, to: "model/" + name)
    }
    try shop.succeed(["import", "model", "-o", "whole.sfckpt"])
    for name in ["config.json", "model.safetensors", "tokenizer.model"] {
      let original = try shop.folder.read("model/" + name)
      for damage in Self.cuts + Self.flips {
        try shop.folder.write(damage.apply(to: original), to: "model/" + name)
        try expectRefusal(
          shop, ["import", "model", "-o", "out"], name: "model", what: "\(name) \(damage)")
      }
      try shop.folder.write(original, to: "model/" + name)
    }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func aDamagedBinNeverCrashes() throws {
    let shop = try Workshop()
    let original = try TemporaryFolder.read(SharedData.require("stories260K/stories260K.bin"))
    let tokenizer = try SharedData.require("stories260K/tok512.model")
    // The header is seven 32-bit figures: a flip of each, in its lowest and its highest byte.
    let header = (0..<28).filter { $0 % 4 == 0 || $0 % 4 == 3 }.map { Damage.flip(at: $0) }
    for damage in Self.cuts + header + [.flip(at: 27)] {
      try shop.folder.write(damage.apply(to: original), to: "model.bin")
      try expectRefusal(
        shop, ["import", "model.bin", "--tokenizer", tokenizer, "-o", "out"], name: "model.bin",
        what: "\(damage)", always: { if case .cut = damage { true } else { false } }())
    }
  }

  @Test func aDamagedTokenizerIsRefusedByInit() throws {
    let shop = try Workshop()
    let original = try TemporaryFolder.read(Workshop.tokenizerPath)
    let config = Workshop.goldenFolder("gqa-tied") + "/config.json"
    for damage in Self.cuts + Self.flips {
      try shop.folder.write(damage.apply(to: original), to: "damaged.model")
      let arguments = ["init", "--config", config, "--tokenizer", "damaged.model", "-o", "out"]
      try expectRefusal(shop, arguments, name: "damaged.model", what: "\(damage)")
    }
  }

  /// Success, or 65 or 66 with the file's name and no output.
  private func expectRefusal(
    _ shop: Workshop, _ arguments: [String], name: String, what: String, always: Bool = false
  ) throws {
    let before = shop.files
    let outcome = try shop.sparseft.run(arguments)
    #expect(outcome.signal == nil, "\(what)")
    if outcome.exitCode == 0, !always {
      // Still a model: then it must be one that the program can read back and use.
      try shop.succeed(["inspect", "out"])
      let use = try shop.sparseft("eval", "--model", "out", "--data", "text.txt")
      #expect([0, 65].contains(use.exitCode), "\(what): \(use.error)")
      try Self.remove(shop.folder["out"])
      return
    }
    #expect([65, 66].contains(outcome.exitCode), "\(what): \(outcome.error)")
    #expect(outcome.error.contains(name), "\(what): \(outcome.error)")
    #expect(shop.files == before, "\(what)")
  }

  /// Names in a file that would recolour a terminal or forge a line are spelled out.
  @Test func namesFromFilesAreSpelledOut() throws {
    let shop = try Workshop()
    var parts = TensorFileParts(try shop.folder.read("tiny.sfckpt"))
    let evil = "\u{1B}[31mred\u{9B}2J\u{7}\nerror: x"
    parts.json = parts.json.replacing(["metadata"], with: .object([evil: .string(evil)]))
    try shop.folder.write(parts.sealed, to: "evil.sfckpt")
    parts.json = parts.json.replacing(["tensors", "0", "type"], with: .string(evil))
    try shop.folder.write(parts.sealed, to: "worse.sfckpt")
    for arguments in [
      ["inspect", "evil.sfckpt"], ["inspect", "evil.sfckpt", "--json"],
      ["inspect", "worse.sfckpt"],
      ["export", "worse.sfckpt", "--format", "hf", "-o", "x"],
    ] {
      let outcome = try shop.sparseft.run(arguments)
      let text = outcome.output + outcome.error
      #expect(text.contains("red"), "\(arguments)")
      #expect(
        !text.unicodeScalars.contains {
          $0 != "\n" && $0.properties.generalCategory == .control
        }, "\(arguments)")
      #expect(!text.contains("\nerror: x"))
    }
  }

  /// Standard output is no file, wherever it leads; a link to a file is one.
  @Test func outputsAreFiles() throws {
    let shop = try Workshop()
    try shop.finetune()
    let merge = [
      "apply-delta", "--model", "tiny.sfckpt", "--delta", "run/best/trained.sfdelta", "-o",
    ]
    var redirected = shop.sparseft
    redirected.output = "out"
    for runner in [shop.sparseft, redirected] {
      let outcome = try runner.run(merge + ["/dev/stdout"])
      #expect(outcome.exitCode == 73 && outcome.output == "")
      #expect(
        outcome.error == """
          error: creating '/dev/stdout': it stands for an open stream, and only files are written; \
          name a file

          """)
    }
    #expect(try shop.folder.read("out").isEmpty)
    symlink("m.sfckpt", shop.folder["link.sfckpt"])
    try shop.succeed(merge + ["link.sfckpt"])
    #expect(try shop.folder.read("m.sfckpt") == shop.folder.read("link.sfckpt"))
  }

  private static func remove(_ path: String) throws {
    try #require(unlink(path) == 0)
  }
}
