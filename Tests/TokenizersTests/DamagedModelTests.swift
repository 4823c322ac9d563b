import Tensors
import TestSupport
import Testing
import Tokenizers

@Suite struct DamagedModelTests {
  /// Loads a damaged model; if it still loads, uses it: whatever it gives, nothing may crash.
  /// Returns whether it loaded.
  @discardableResult
  private func survives(_ bytes: [UInt8]) -> Bool {
    do {
      let damaged = try tokenizer(bytes)
      _ = try? damaged.encode("Once upon a time,\tthere was\n a \u{1F999} é \u{FB01} e\u{301}.")
      _ = try damaged.decode([0, 1, 2, 5, 40, 9, 100, 260])
      _ = damaged.piece(of: 3)
      return true
    } catch let error as TokenizerError {
      #expect(error.category == .badData)
      return false
    } catch {
      Issue.record("\(error)")
      return false
    }
  }

  @Test func whatIsNoModelIsAnError() throws {
    for bytes in [[], [0], [0xFF, 0xFF], Array("version https://example".utf8), [0x0A, 0x80]] {
      let error = #expect(throws: TokenizerError.self) { try tokenizer(bytes as [UInt8]) }
      #expect(error?.description.hasPrefix("loading the SentencePiece model: ") == true)
    }
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: TestModel.allCases)
  func truncatedModelsNeverCrash(_ model: TestModel) throws {
    let bytes = try model.bytes()
    let step = max(1, bytes.count / 100)
    var loaded = 0
    for count in stride(from: 0, to: bytes.count, by: step) {
      if survives(Array(bytes[..<count])) { loaded += 1 }
    }
    // A cut between two fields can leave a smaller model; most cuts are seen.
    #expect(loaded < 50)
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: [TestModel.tok105, .tok512])
  func modelsWithFlippedBitsNeverCrash(_ model: TestModel) throws {
    let bytes = try model.bytes()
    var random = RandomSource(seed: 5)
    for round in 0..<1000 {
      var damaged = bytes
      for _ in 0...(round % 3) {
        damaged[random.integer(below: bytes.count)] ^= 1 << random.integer(below: 8)
      }
      survives(damaged)
    }
  }

  @Test func rulesAreFollowedAsWritten() throws {
    let mapping = try tokenizer(
      ModelWriter.small(charsmap: ModelWriter.charsmap("xy", "ab")))
    #expect(try mapping.encode("xy") == mapping.encode("ab"))
    #expect(try mapping.encode("xz") != mapping.encode("ab"))
  }

  @Test func damagedRulesNeverCrash() throws {
    let map = ModelWriter.charsmap("On", "a")
    var refused = 0
    // The size, every unit that counts and the replacement; the filling between has no effect.
    let units = [0, 256 + 0x4F, 512 + 0x6E, 768].map { 4 + 4 * $0 }
    let places = Array(0..<4) + units.flatMap { $0..<$0 + 4 } + Array(map.count - 2..<map.count)
    for place in places {
      for bit in 0..<8 {
        var damaged = map
        damaged[place] ^= 1 << bit
        if !survives(ModelWriter.small(charsmap: damaged)) { refused += 1 }
      }
    }
    #expect(refused > 50)
    for count in stride(from: 0, to: map.count, by: 97) {
      // No rules at all are sound.
      #expect(survives(ModelWriter.small(charsmap: Array(map[..<count]))) == (count == 0))
    }
  }

  @Test func rulesThatRunInCirclesAreRefused() throws {
    var map = ModelWriter.charsmap("a", "b")
    // The node of "a" leads back to the block it lies in: "aaaa…" never leaves the trie.
    let node = 256 + 0x61
    let link = UInt32(node ^ 256) << 10 | 0x100 | 0x61
    withUnsafeBytes(of: link.littleEndian) { bytes in
      for (index, byte) in bytes.enumerated() { map[4 + 4 * node + index] = byte }
    }
    #expect(throws: TokenizerError.self) { try tokenizer(ModelWriter.small(charsmap: map)) }
  }

  @Test func endlessReplacementsAreRefused() throws {
    let long = String(repeating: "a", count: 5000)
    let map = ModelWriter.charsmap("x", long)
    #expect(throws: TokenizerError.self) { try tokenizer(ModelWriter.small(charsmap: map)) }
  }

  @Test func piecesTheLibraryWouldTripOverAreRefused() throws {
    let nested = (2...80).map { (String(repeating: "é", count: $0), ModelWriter.Kind.userDefined) }
    let cases: [[(String, ModelWriter.Kind)]] = [
      nested, [("", .normal)], [("x\u{0}y", .normal)], [("\u{0}", .userDefined)], [("a", .normal)],
      [("other", .unknown)],
    ]
    for pieces in cases {
      #expect(throws: TokenizerError.self) { try tokenizer(ModelWriter.small(pieces: pieces)) }
    }
    var writer = ModelWriter()
    writer.piece("<unk>", .unknown)
    writer.piece("a", score: .nan)
    let bytes = writer.bytes
    #expect(throws: TokenizerError.self) { try tokenizer(bytes) }
  }
}
