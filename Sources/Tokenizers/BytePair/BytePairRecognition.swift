import Storage

/// Tells a tokenizer.json from other files, and reads of it what is needed before it is loaded.
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

  /// The added tokens; nil for what is no tokenizer.json.
  static func addedTokens(of bytes: UnsafeRawBufferPointer) -> [AddedToken]? {
    guard firstInvalidUTF8(bytes) == nil else { return nil }
    var scanner = JSONScanner(bytes)
    var found: [AddedToken] = []
    do throws(TokenizerError) {
      try scanner.object { (scanner, key) throws(TokenizerError) in
        guard key.elementsEqual("added_tokens".utf8) else { return try scanner.skipValue() }
        let tokens = JSONFieldValue(try scanner.value(), "added_tokens")
        guard !tokens.isAbsent else { return }
        for item in try tokens.list() { found.append(try AddedToken(item)) }
      }
      try scanner.finish()
    } catch {
      return nil
    }
    return found
  }

  /// The file without added tokens that are no pieces of the vocabulary and whose ids are not below
  /// `rows`, and what these are; nil where ids remain that are not.
  static func fitted(
    _ bytes: UnsafeRawBufferPointer, to rows: Int
  ) -> (bytes: [UInt8], leftOut: [String])? {
    guard firstInvalidUTF8(bytes) == nil else { return nil }
    var scanner = JSONScanner(bytes)
    var highest: Int32?
    var lists: [(range: Range<Int>, tokens: [JSONValue])] = []
    do throws(TokenizerError) {
      try scanner.object { (scanner, key) throws(TokenizerError) in
        if key.elementsEqual("model".utf8) { return try readModel(&scanner, &highest) }
        guard key.elementsEqual("added_tokens".utf8) else { return try scanner.skipValue() }
        let start = scanner.position
        guard let tokens = try scanner.value().array else { return }
        lists.append((start..<scanner.position, tokens))
      }
      try scanner.finish()
    } catch {
      return nil
    }
    guard Int(highest ?? 0) < rows, lists.count == 1 else { return nil }
    func fits(_ token: JSONValue) -> Bool { token["id"]?.int.map { $0 < rows } ?? true }
    let kept = JSONValue.array(lists[0].tokens.filter(fits))
    let leftOut = lists[0].tokens.filter { !fits($0) }.map { token in
      "the token '\((token["content"]?.string ?? "").prefix(40))' "
        + "(id \(token["id"]?.int ?? 0), of \(rows) rows)"
    }
    let (before, behind) = (
      bytes[..<lists[0].range.lowerBound], bytes[lists[0].range.upperBound...]
    )
    return (Array(before) + Array(kept.encoded().utf8) + Array(behind), leftOut)
  }

  /// Whether a text behind a control token goes on from it, by the rules of a tokenizer.json; nil
  /// where no text gets a space before it, and for other files.
  static func continuesBehindControls(of bytes: UnsafeRawBufferPointer) -> Bool? {
    guard firstInvalidUTF8(bytes) == nil else { return nil }
    var members = JSONObject()
    var scanner = JSONScanner(bytes)
    do throws(TokenizerError) {
      try scanner.object { (scanner, key) throws(TokenizerError) in
        let key = String(decoding: key, as: UTF8.self)
        guard key == "normalizer" || key == "pre_tokenizer" else { return try scanner.skipValue() }
        members[key] = try scanner.value()
      }
      let rules = try SplitRules(.init(members["pre_tokenizer"], "pre_tokenizer"))
      if let prefix = rules.metaspace?.prefix, prefix != .never { return prefix == .first }
      let normalization = try Normalization(.init(members["normalizer"], "normalizer"))
      return normalization.prefix == nil ? nil : false
    } catch {
      return nil
    }
  }
}
