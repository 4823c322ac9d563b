/// The fields of a serialized SentencePiece model that must be checked before the library loads it,
/// or that decide where a text may be cut. Absent fields have the defaults of SentencePiece's
/// schema.
struct ModelDescription {
  /// The segmentation algorithm, numbered as in the schema.
  enum Algorithm: UInt64 {
    case unigram = 1
    case bytePair, word, character
  }
  /// The kind of a piece, numbered as in the schema.
  enum PieceKind: UInt64 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  private(set) var algorithm = Algorithm.unigram
  private(set) var treatsSpaceAsSuffix = false
  private(set) var addsDummyPrefix = true
  private(set) var removesExtraSpaces = true
  private(set) var escapesSpaces = true
  /// Whether characters outside the vocabulary become the pieces of their bytes.
  private(set) var hasByteFallback = false
  /// The compiled rules by which normalisation changes more than spaces; empty for none.
  private(set) var rules: [UInt8] = []

  /// Whether normalisation changes more than spaces.
  var hasRules: Bool { !rules.isEmpty }

  private var rulesKeepWordsApart = true
  private var piecesKeepWordsApart = true
  private var hasSpacePiece = false
  private var hasUnusedPieces = false
  private var userDefined: [[UInt8]] = []
  private var pieceCount = 0

  /// SentencePiece's own limit on user-defined symbols that match at one place.
  private static let maximumUserDefinedMatches = 64

  /// - Throws: `TokenizerError.invalidModel` for bytes that the library can't load safely.
  init(_ model: UnsafeRawBufferPointer) throws(TokenizerError) {
    guard model.count <= Int(Int32.max) else {
      throw .invalidModel(reason: "\(model.count) bytes, more than SentencePiece can read")
    }
    var fields = ProtocolBufferReader(model)
    while let (number, value) = try fields.next() {
      guard case .bytes(let message) = value else { continue }
      switch number {
      case 1: try readPiece(message)
      case 2: try readTrainer(message)
      case 3: try readNormalizer(message)
      case 5: try checkDenormalizer(message)
      default: break
      }
    }
    guard pieceCount > 0 else { throw .invalidModel(reason: "it holds no pieces") }
    try checkUserDefined()
  }

  /// Whether encoding the parts of a text, cut at a space between two ASCII letters, gives exactly
  /// the ids of encoding the whole.
  ///
  /// After normalisation, the part after a cut begins with "▁": either the dummy prefix replaces
  /// the space that the cut drops, or the space is kept. Byte-pair merges are local, so they don't
  /// depend on the text before the cut if no piece joins a letter to a "▁" after it, "▁" is a piece
  /// (a run of unknown pieces becomes one id), and no unused piece has to be split again (which
  /// follows the last merge that formed it anywhere in the text). A unigram model adds rounded
  /// scores from the start of the text, so near ties may be resolved differently.
  var encodesSegmentsAlike: Bool {
    (algorithm == .bytePair || algorithm == .character)
      && escapesSpaces && !treatsSpaceAsSuffix && (addsDummyPrefix || !removesExtraSpaces)
      && hasSpacePiece && !hasUnusedPieces && piecesKeepWordsApart && rulesKeepWordsApart
  }

  /// Whether encoding the parts of a text, cut between two characters that stand side by side in no
  /// piece, gives exactly the ids of encoding the whole, the second part as text that goes on.
  ///
  /// No merge can make a piece that reaches over such a place, and merges on either side of it don't
  /// depend on each other. What can reach over it is normalisation by rules, which `RuleNeighbours`
  /// knows, the choice between unused pieces, and a unigram model's sums of scores (see above).
  var encodesPartsAlike: Bool {
    (algorithm == .bytePair || algorithm == .character)
      && escapesSpaces && !treatsSpaceAsSuffix && !hasUnusedPieces
  }

  private mutating func readPiece(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var text = UnsafeRawBufferPointer(start: nil, count: 0)
    var kind = PieceKind.normal
    var score: Float = 0
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (1, .bytes(let bytes)): text = bytes
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .varint(let raw)): kind = PieceKind(rawValue: enumeration(raw)) ?? kind
      default: break
      }
    }
    guard !text.isEmpty, !text.contains(0), score.isFinite else {
      throw .invalidModel(
        reason: "piece \(pieceCount): found text of \(text.count) bytes and score \(score); "
          + "expected text without zero bytes and a finite score")
    }
    pieceCount += 1
    let bytes = Array(text)
    switch kind {
    case .userDefined: userDefined.append(bytes)
    case .unused: hasUnusedPieces = true
    case .normal: break
    case .unknown, .control, .byte: return
    }
    if bytes == spaceSymbol { hasSpacePiece = kind != .unused }
    if joinsWords(bytes) { piecesKeepWordsApart = false }
  }

  /// Whether a piece contains a space, or a "▁" after anything but a "▁".
  private func joinsWords(_ piece: [UInt8]) -> Bool {
    if piece.contains(UInt8(ascii: " ")) { return true }
    var rest = piece[...]
    while rest.starts(with: spaceSymbol) { rest = rest.dropFirst(spaceSymbol.count) }
    return rest.contains(spaceSymbol)
  }

  /// Protocol Buffers keep only the lower 32 bits of an enumeration value.
  private func enumeration(_ raw: UInt64) -> UInt64 { raw & 0xFFFF_FFFF }

  private mutating func readTrainer(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      guard case .varint(let raw) = value else { continue }
      switch number {
      case 3: algorithm = Algorithm(rawValue: enumeration(raw)) ?? algorithm
      case 24: treatsSpaceAsSuffix = raw != 0
      case 35: hasByteFallback = raw != 0
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (2, .bytes(let map)):
        rulesKeepWordsApart = try NormalizationRules(map).keepsWordsApart
        rules = Array(map)
      case (3, .varint(let raw)): addsDummyPrefix = raw != 0
      case (4, .varint(let raw)): removesExtraSpaces = raw != 0
      case (5, .varint(let raw)): escapesSpaces = raw != 0
      default: break
      }
    }
  }

  private func checkDenormalizer(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      if number == 2, case .bytes(let map) = value { _ = try NormalizationRules(map) }
    }
  }

  /// Checks the user-defined symbols that match at one place: SentencePiece's buffer for them is
  /// fixed.
  private func checkUserDefined() throws(TokenizerError) {
    var prefixes: [[UInt8]] = []
    for symbol in userDefined.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      while let last = prefixes.last, !symbol.starts(with: last) { prefixes.removeLast() }
      prefixes.append(symbol)
      if prefixes.count > Self.maximumUserDefinedMatches {
        throw .invalidModel(
          reason: "more than \(Self.maximumUserDefinedMatches) user-defined symbols begin alike")
      }
    }
  }
}

extension Array where Element == UInt8 {
  /// Whether the bytes contain `part`.
  func contains(_ part: [UInt8]) -> Bool { self[...].contains(part) }
}

extension ArraySlice where Element == UInt8 {
  /// Whether the bytes contain `part`.
  func contains(_ part: [UInt8]) -> Bool {
    indices.contains { self[$0...].starts(with: part) }
  }
}
