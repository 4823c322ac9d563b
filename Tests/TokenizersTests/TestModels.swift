import TestSupport
import Tokenizers

/// The tokenizers of the shared test data.
enum TestModel: String, CaseIterable {
  case llama2 = "tokenizer-llama2/tokenizer.model"
  /// Byte-pair pieces, removes extra white space.
  case tok512 = "stories260K/tok512.model"
  /// Character level, no byte fallback, several fields left to their defaults.
  case tok105 = "babyllama-tok105/tok105.model"

  func bytes() throws -> [UInt8] { try TemporaryFolder.read(SharedData.require(rawValue)) }

  func load() throws -> SentencePieceTokenizer { try tokenizer(bytes()) }
}

/// Loads a tokenizer from an array.
func tokenizer(_ bytes: [UInt8]) throws -> SentencePieceTokenizer {
  try bytes.withUnsafeBytes { try SentencePieceTokenizer(serialized: $0) }
}

/// Writes the serialized form of small SentencePiece models, field by field.
struct ModelWriter {
  enum Kind: UInt64 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  private(set) var bytes: [UInt8] = []

  mutating func varint(_ number: UInt64, _ value: UInt64) {
    put(number << 3)
    put(value)
  }

  mutating func field(_ number: UInt64, _ content: [UInt8]) {
    put(number << 3 | 2)
    put(UInt64(content.count))
    bytes += content
  }

  mutating func piece(_ text: String, _ kind: Kind = .normal, score: Float = 0) {
    var piece = ModelWriter()
    piece.field(1, Array(text.utf8))
    piece.put(2 << 3 | 5)
    withUnsafeBytes(of: score.bitPattern.littleEndian) { piece.bytes += $0 }
    piece.varint(3, kind.rawValue)
    field(1, piece.bytes)
  }

  mutating func trainer(algorithm: UInt64, byteFallback: Bool = false) {
    var spec = ModelWriter()
    spec.varint(3, algorithm)
    if byteFallback { spec.varint(35, 1) }
    field(2, spec.bytes)
  }

  mutating func normalizer(
    charsmap: [UInt8]? = nil, dummyPrefix: Bool = true, removeExtraSpaces: Bool = true
  ) {
    var spec = ModelWriter()
    if let charsmap { spec.field(2, charsmap) }
    spec.varint(3, dummyPrefix ? 1 : 0)
    spec.varint(4, removeExtraSpaces ? 1 : 0)
    field(3, spec.bytes)
  }

  private mutating func put(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// A model that knows "▁", "a"-"e", "▁a", "ab" and nothing else.
  static func small(
    algorithm: UInt64 = 2, begin: Bool = true, pieces extra: [(String, Kind)] = [],
    charsmap: [UInt8]? = nil, dummyPrefix: Bool = true, removeExtraSpaces: Bool = true
  ) -> [UInt8] {
    var writer = ModelWriter()
    writer.piece("<unk>", .unknown)
    if begin {
      writer.piece("<s>", .control)
      writer.piece("</s>", .control)
    }
    let words = ["▁", "a", "b", "c", "d", "e", "▁a", "ab"]
    for (rank, word) in words.enumerated() { writer.piece(word, score: -Float(rank)) }
    for (text, kind) in extra { writer.piece(text, kind, score: -20) }
    writer.trainer(algorithm: algorithm)
    writer.normalizer(
      charsmap: charsmap, dummyPrefix: dummyPrefix, removeExtraSpaces: removeExtraSpaces)
    return writer.bytes
  }

  /// A compiled rule table with the one rule that `key` becomes `replacement`: a hand-laid double
  /// array of one 256-unit block per node.
  static func charsmap(_ key: String, _ replacement: String) -> [UInt8] {
    let key = Array(key.utf8)
    // Node n is at unit 256·(n+1) xor its label; the root's labels count from block 1.
    var units = [UInt32](repeating: 0xFFFF_FFFF, count: 256 * (key.count + 2))
    func link(_ node: Int, to base: Int, label: UInt32, rule: Bool) -> UInt32 {
      UInt32(node ^ base) << 10 | (rule ? 0x100 : 0) | label
    }
    units[0] = link(0, to: 256, label: 0, rule: false)
    for (depth, byte) in key.enumerated() {
      let place = 256 * (depth + 1) + Int(byte)
      units[place] = link(
        place, to: 256 * (depth + 2), label: UInt32(byte), rule: depth == key.count - 1)
    }
    // The rule's unit holds where its replacement begins.
    units[256 * (key.count + 1)] = 0x8000_0000
    var result: [UInt8] = []
    func put(_ word: UInt32) {
      withUnsafeBytes(of: word.littleEndian) { result += $0 }
    }
    put(UInt32(4 * units.count))
    units.forEach(put)
    return result + Array(replacement.utf8) + [0]
  }
}
