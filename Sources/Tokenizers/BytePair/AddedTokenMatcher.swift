/// Finds added tokens in text: from left to right, the longest one at a place.
///
/// Special tokens are looked for too, as Hugging Face's tokenizers do when they are told to split
/// them: what spells one is passed over, so no other token is found inside it, and stays text.
struct AddedTokenMatcher: Sendable {
  /// A part of a text.
  enum Part {
    case text(Range<Int>)
    case token(Int32)
  }

  /// A trie: the node behind each node and byte; node 0 is the root.
  private var edges: [UInt64: Int32] = [:]
  /// By node, the token that is spelled there; −1 for none.
  private var ends: [Int32] = [-1]
  private let tokens: [AddedToken]
  /// Whether a spelling begins with a byte.
  private var begins = [Bool](repeating: false, count: 256)
  /// Whether no text holds a token that counts.
  private(set) var isEmpty = true

  /// - Parameters:
  ///   - tokens: what to look for.
  ///   - spelling: the bytes of a token where it is looked for.
  init(_ tokens: [AddedToken], spelling: (AddedToken) -> [UInt8]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() {
      let bytes = spelling(token)
      guard let first = bytes.first else { continue }
      begins[Int(first)] = true
      if !token.isSpecial { isEmpty = false }
      var node: Int32 = 0
      for byte in bytes {
        let edge = Self.edge(node, byte)
        node = edges[edge] ?? Int32(ends.count)
        if edges.updateValue(node, forKey: edge) == nil { ends.append(-1) }
      }
      ends[Int(node)] = Int32(index)
    }
  }

  private static func edge(_ node: Int32, _ byte: UInt8) -> UInt64 {
    UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
  }

  /// Visits the parts of a text in order.
  func split(
    _ text: UnsafeRawBufferPointer, _ visit: (Part) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var done = 0
    var position = 0
    while position < text.count {
      guard begins[Int(text[position])], let found = match(text, at: position) else {
        position += 1
        continue
      }
      let token = found.token
      var range = position..<found.end
      position = found.end
      guard !token.isSpecial, !token.isWord || isWord(range, of: text) else { continue }
      if token.takesSpaceBefore {
        let start = max(done, Self.spaceStart(text, before: range.lowerBound))
        range = min(start, range.lowerBound)..<range.upperBound
      }
      if token.takesSpaceAfter {
        range = range.lowerBound..<Self.spaceEnd(text, after: range.upperBound)
      }
      if done < range.lowerBound { try visit(.text(done..<range.lowerBound)) }
      try visit(.token(token.id))
      done = range.upperBound
    }
    if done < text.count { try visit(.text(done..<text.count)) }
  }

  /// The longest token spelled at `position`, and where it ends.
  private func match(
    _ text: UnsafeRawBufferPointer, at position: Int
  ) -> (token: AddedToken, end: Int)? {
    var found: (token: AddedToken, end: Int)?
    var node: Int32 = 0
    var end = position
    while end < text.count, let next = edges[Self.edge(node, text[end])] {
      node = next
      end += 1
      if ends[Int(node)] >= 0 { found = (tokens[Int(ends[Int(node)])], end) }
    }
    return found
  }
}

extension AddedTokenMatcher {
  /// Whether a match stands for itself, no part of a word on either side.
  private func isWord(_ range: Range<Int>, of text: UnsafeRawBufferPointer) -> Bool {
    let before = Self.scalar(text, before: range.lowerBound)
    let after = Self.scalar(text, after: range.upperBound)
    return !(before.map(Self.isWordCharacter) ?? false)
      && !(after.map(Self.isWordCharacter) ?? false)
  }

  private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }

  private static func spaceStart(_ text: UnsafeRawBufferPointer, before end: Int) -> Int {
    var start = end
    while let scalar = scalar(text, before: start), scalar.properties.isWhitespace {
      start -= UTF8.width(scalar)
    }
    return start
  }

  private static func spaceEnd(_ text: UnsafeRawBufferPointer, after start: Int) -> Int {
    var end = start
    while let scalar = scalar(text, after: end), scalar.properties.isWhitespace {
      end += UTF8.width(scalar)
    }
    return end
  }

  /// The character that ends at `end`.
  private static func scalar(
    _ text: UnsafeRawBufferPointer, before end: Int
  ) -> Unicode.Scalar? {
    guard end > 0 else { return nil }
    var start = end - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return String(decoding: text[start..<end], as: UTF8.self).unicodeScalars.first
  }

  /// The character that starts at `start`.
  private static func scalar(
    _ text: UnsafeRawBufferPointer, after start: Int
  ) -> Unicode.Scalar? {
    guard start < text.count else { return nil }
    let end = min(start + 4, text.count)
    return String(decoding: text[start..<end], as: UTF8.self).unicodeScalars.first
  }
}
