/// Places inside texts of any script where a byte-pair tokenizer's text may be cut, the second part
/// going on from the first: encoding both gives the ids of the whole.
///
/// Where a split pattern makes words, these are the ends of words of letters or digits, whatever
/// stands around them, and places inside a word of letters that no merge reaches over; where a text is
/// one word, or words begin with what stands for a space, places that no merge reaches over.
struct TextJoints: Sendable {
  private let words: TextCut.Words
  private let model: BytePairModel
  /// The last character of one piece and the first of another one that merge.
  private let merging: PairFilter
  /// Characters that stand side by side in an added token.
  private let spelled: PairFilter
  /// Characters that end and begin added tokens.
  private let tokenEnds: Set<UInt32>
  private let tokenStarts: Set<UInt32>
  private let space: UInt32?
  /// Whether bytes outside the vocabulary's characters all have pieces, none of which merges.
  private let hasLoneBytes: Bool
  /// Whether words may be cut: not where a part may be a piece that is taken whole, or where a
  /// pattern that is not known takes words apart.
  private let cutsWords: Bool

  /// Whether such places are known for a file.
  static func exist(in file: BytePairFile) -> Bool {
    let normalization = file.normalization
    let space = normalization.spaceReplacement ?? file.rules.metaspace?.character
    guard normalization.isLocalAtSpaces else { return false }
    switch TextCut.words(of: file, spelledSpace: space) {
    case .matched: return normalization.prefix == nil && normalization.spaceReplacement == nil
    // A word that is a piece would be taken whole in a part, but not in the whole.
    case .unsplit, .beginningWithSpaces:
      return !normalization.composes && !file.model.takesWholeWords
        && [nil, space].contains(normalization.prefix)
    case .unknown: return false
    }
  }

  /// - Returns: nil where no places are known.
  init?(_ file: BytePairFile) {
    guard Self.exist(in: file) else { return nil }
    let spaceBytes = file.normalization.spaceReplacement ?? file.rules.metaspace?.character
    words = TextCut.words(of: file, spelledSpace: spaceBytes)
    model = file.model
    cutsWords = !file.model.takesWholeWords && TextCut.knowsAllPatterns(of: file)
    space = spaceBytes.flatMap {
      String(decoding: $0, as: UTF8.self).unicodeScalars.first?.value
    }
    var spelled = PairFilter()
    var (starts, ends): (Set<UInt32>, Set<UInt32>) = ([], [])
    for token in file.added {
      for bytes in [Array(token.content.utf8), file.spelling(of: token)] {
        spelled.insert(neighboursIn: bytes)
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        guard !token.isSpecial, let first = scalars.first, let last = scalars.last else { continue }
        starts.insert(first.value)
        ends.insert(last.value)
      }
    }
    (self.spelled, tokenStarts, tokenEnds) = (spelled, starts, ends)
    let bytes = Set(file.model.byteIDs)
    var (merging, hasLoneBytes) = (PairFilter(), !bytes.contains(-1) && file.model.hasByteFallback)
    file.model.merges.forEachPair { left, right in
      let pieces = file.model.pieces
      if bytes.contains(left) || bytes.contains(right) { hasLoneBytes = false }
      let last = String(decoding: pieces.spelling(of: left).suffix(4), as: UTF8.self)
      let first = String(decoding: pieces.spelling(of: right).prefix(4), as: UTF8.self)
      guard let left = last.unicodeScalars.last, let right = first.unicodeScalars.first else {
        return
      }
      merging.insert(left.value, right.value)
    }
    (self.merging, self.hasLoneBytes) = (merging, hasLoneBytes)
  }

  /// The first place at or behind `position`.
  func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut? {
    Neighbours.first(in: text, from: position) { left, right, place in
      guard !spelled.contains(left, right), !tokenEnds.contains(left),
        !tokenStarts.contains(right)
      else { return false }
      switch words {
      case .matched: return isBetweenWords(left, right) || isInsideWord(left, right, text, place)
      case .unsplit, .beginningWithSpaces:
        return !isSpace(left) && !isSpace(right) && isApart(left, right, text, place)
      case .unknown: return false
      }
    }.map { SegmentCut(end: $0, next: $0, continues: true) }
  }
}

// Words that patterns match (`TextCut.separating`). Each ends a run of letters, or of digits, where a
// character of another kind follows; only contractions ("'s") begin with an apostrophe and may belong
// to the letters before.
extension TextJoints {
  private func isBetweenWords(_ left: UInt32, _ right: UInt32) -> Bool {
    let isDigit = Self.isDigit(left)
    guard isDigit || Self.isLetter(left) else { return false }
    switch right {
    case 0x20, 0x09, 0x0A, 0x0D: return true
    case 0x27: return false
    case 0x30...0x39: return !isDigit
    case 0x41...0x5A, 0x61...0x7A: return isDigit
    case 0x21...0x7E: return true
    default: return Self.isSign(right)
    }
  }

  /// Whether two letters of one script stand in the same word, and no merge reaches over the place.
  private func isInsideWord(
    _ left: UInt32, _ right: UInt32, _ text: UnsafeBufferPointer<UInt8>, _ place: Int
  ) -> Bool {
    guard cutsWords else { return false }
    let isOneScript = Self.scripts.contains { $0.contains(left) && $0.contains(right) }
    return isOneScript && isApart(left, right, text, place)
  }

  /// Scripts whose letters have no case that counts, are of one kind in every pattern, and compose
  /// with nothing: Cyrillic small letters, Hiragana, Katakana, Han, Hangul syllables.
  private static let scripts: [ClosedRange<UInt32>] = [
    0x430...0x44F, 0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FA5, 0xAC00...0xD7A3,
  ]

  private static func isDigit(_ character: UInt32) -> Bool { (0x30...0x39).contains(character) }

  private static func isLetter(_ character: UInt32) -> Bool {
    if character < 0x80 { return (0x61...0x7A).contains(character | 0x20) }
    guard let properties = properties(character) else { return false }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return true
    default: return false
    }
  }

  /// Whether a character that is not ASCII is punctuation or a symbol.
  private static func isSign(_ character: UInt32) -> Bool {
    guard let properties = properties(character) else { return false }
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol,
      .modifierSymbol, .otherSymbol:
      return true
    default: return false
    }
  }

  /// The properties of a character that PCRE2 knows too.
  private static func properties(_ character: UInt32) -> Unicode.Scalar.Properties? {
    guard let scalar = Unicode.Scalar(character), let age = scalar.properties.age, age.major <= 13
    else { return nil }
    return scalar.properties
  }
}

// Places that no merge reaches over.
extension TextJoints {
  private func isSpace(_ character: UInt32) -> Bool {
    character == space || (Unicode.Scalar(character)?.properties.isWhitespace ?? true)
  }

  private func isApart(
    _ left: UInt32, _ right: UInt32, _ text: UnsafeBufferPointer<UInt8>, _ place: Int
  ) -> Bool {
    if model.isByteLevel {
      let bytes = (text[place - 1], text[place])
      guard model.byteIDs[Int(bytes.0)] >= 0, model.byteIDs[Int(bytes.1)] >= 0 else { return false }
      return !merging.contains(Self.spelling(bytes.0), Self.spelling(bytes.1))
    }
    return !merging.contains(left, right) && isSolid(left) && isSolid(right)
  }

  /// Whether a character is a piece, or becomes the pieces of its bytes: neither dropped, nor joined
  /// with its neighbours as unknown.
  private func isSolid(_ character: UInt32) -> Bool {
    guard !hasLoneBytes, let scalar = Unicode.Scalar(character) else { return hasLoneBytes }
    return model.pieces.id(String(scalar)) != nil
  }

  /// The character that stands for a byte in pieces.
  private static func spelling(_ byte: UInt8) -> UInt32 { ByteAlphabet.scalars[Int(byte)].value }
}
