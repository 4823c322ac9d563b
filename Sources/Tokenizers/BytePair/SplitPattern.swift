import CPCRE2

/// A compiled split pattern.
final class SplitPattern: Sendable {
  /// The pattern as the tokenizer's file spells it.
  let source: String
  // Immutable once compiled, and PCRE2 only reads it.
  fileprivate nonisolated(unsafe) let compiled: OpaquePointer

  /// - Throws: `TokenizerError.invalidTokenizer` for a pattern that is malformed, not known to mean
  ///   the same in PCRE2, or that matches nothing at all.
  init(_ source: String) throws(TokenizerError) {
    let translated = try PatternTranslation(source).text
    func invalid(_ found: String) -> TokenizerError {
      .invalidTokenizer(
        field: "the split pattern \(source.prefix(80))", found: found,
        expected: "a regular expression that takes at least a character")
    }
    var pattern: OpaquePointer?
    let (status, words) = withMessage { message in
      Array(translated.utf8).withUnsafeBufferPointer {
        sft_pattern_compile($0.baseAddress, $0.count, &pattern, message)
      }
    }
    guard status != SFT_PATTERN_NO_MEMORY else {
      throw .outOfMemory(action: "compiling a split pattern")
    }
    guard status == SFT_PATTERN_OK, let pattern else { throw invalid(words) }
    guard !sft_pattern_matches_nothing(pattern) else {
      sft_pattern_free(pattern)
      throw invalid("one that can match between characters")
    }
    self.source = source
    compiled = pattern
  }

  deinit { sft_pattern_free(compiled) }

  /// A pattern that matches `text` itself.
  static func literal(_ text: String) throws(TokenizerError) -> SplitPattern {
    let escaped = text.unicodeScalars.map { scalar -> String in
      let isPlain =
        scalar.value > 0x7F || scalar.properties.isAlphabetic
        || scalar.properties.numericType != nil || scalar.value <= 0x20
      return isPlain ? String(scalar) : "\\\(scalar)"
    }
    return try SplitPattern(escaped.joined())
  }
}

/// Finds the matches of a pattern; used by one thread at a time.
final class PatternMatcher {
  private let pattern: SplitPattern
  private let handle: OpaquePointer
  /// The matches found last.
  private let room: UnsafeMutablePointer<sft_match>
  private static let capacity = 256

  /// - Throws: `TokenizerError.outOfMemory`.
  init(_ pattern: SplitPattern) throws(TokenizerError) {
    guard let handle = sft_matcher_create(pattern.compiled) else {
      throw .outOfMemory(action: "splitting text")
    }
    self.pattern = pattern
    self.handle = handle
    room = .allocate(capacity: Self.capacity)
  }

  deinit {
    sft_matcher_free(handle)
    room.deallocate()
  }

  /// The next matches from `position` on, which moves to the end of the last one; none at the end.
  /// They are valid until the next call.
  /// - Throws: `TokenizerError.splittingFailed` where the pattern takes too many steps.
  func next(
    in text: UnsafeRawBufferPointer, from position: inout Int
  ) throws(TokenizerError) -> UnsafeBufferPointer<sft_match> {
    var found = 0
    let (status, words) = withMessage { message in
      sft_matcher_find(
        handle, text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count, &position, room,
        Self.capacity, &found, message)
    }
    switch status {
    case SFT_PATTERN_OK: return .init(start: room, count: found)
    case SFT_PATTERN_NO_MEMORY: throw .outOfMemory(action: "splitting text")
    default: throw .splittingFailed(pattern: pattern.source, reason: words)
    }
  }
}

/// Calls PCRE2 with room for its words.
private func withMessage(
  _ call: (sft_pattern_message) -> sft_pattern_status
) -> (sft_pattern_status, String) {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { room in
    guard let start = room.baseAddress else { return (SFT_PATTERN_NO_MEMORY, "") }
    start.initialize(to: 0)
    let status = call(.init(text: start, capacity: room.count))
    return (status, status == SFT_PATTERN_REFUSED ? String(cString: start) : "")
  }
}
