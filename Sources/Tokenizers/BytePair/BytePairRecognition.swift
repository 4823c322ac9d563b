/// Tells a tokenizer.json from other files.
enum BytePairRecognition {
  /// The number of ids that a tokenizer.json defines; 0 where its model is of another type, which
  /// loading it refuses by name; nil for other files.
  static func vocabularySize(of bytes: UnsafeRawBufferPointer) -> Int? {
    var scanner = JSONScanner(bytes)
    guard scanner.peek() == UInt8(ascii: "{") else { return nil }
    var highest: Int32?
    var hasModel = false
    do throws(TokenizerError) {
      try scanner.object { (scanner, key) throws(TokenizerError) in
        if key.elementsEqual("model".utf8), scanner.peek() == UInt8(ascii: "{") {
          hasModel = true
          try readModel(&scanner, &highest)
        } else if key.elementsEqual("added_tokens".utf8) {
          let tokens = JSONFieldValue(try scanner.value(), "added_tokens")
          guard !tokens.isAbsent else { return }
          for token in try tokens.list() { highest = max(highest ?? 0, try token["id"].id()) }
        } else {
          try scanner.skipValue()
        }
      }
      try scanner.finish()
    } catch {
      return nil
    }
    return hasModel ? highest.map { Int($0) + 1 } ?? 0 : nil
  }

  private static func readModel(
    _ scanner: inout JSONScanner, _ highest: inout Int32?
  ) throws(TokenizerError) {
    try scanner.object { (scanner, key) throws(TokenizerError) in
      guard key.elementsEqual("vocab".utf8), scanner.peek() == UInt8(ascii: "{") else {
        return try scanner.skipValue()
      }
      try scanner.object { (scanner, _) throws(TokenizerError) in
        highest = max(highest ?? 0, try scanner.id())
      }
    }
  }

  /// The special tokens by their spelling; nil for what is no tokenizer.json.
  static func specialTokens(of bytes: UnsafeRawBufferPointer) -> [String: Int32]? {
    guard firstInvalidUTF8(bytes) == nil else { return nil }
    var scanner = JSONScanner(bytes)
    var found: [String: Int32] = [:]
    do throws(TokenizerError) {
      try scanner.object { (scanner, key) throws(TokenizerError) in
        guard key.elementsEqual("added_tokens".utf8) else { return try scanner.skipValue() }
        let tokens = JSONFieldValue(try scanner.value(), "added_tokens")
        guard !tokens.isAbsent else { return }
        for item in try tokens.list() {
          let token = try AddedToken(item)
          if token.isSpecial { found[token.content] = token.id }
        }
      }
    } catch {
      return nil
    }
    return found
  }
}
