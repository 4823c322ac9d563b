/// Encodes texts, one after the other; used by one thread at a time. It keeps what makes the next
/// text faster: matchers, and the ids of words.
final class BytePairEncoder {
  private var state: State

  /// - Throws: `TokenizerError.outOfMemory`.
  init(_ file: BytePairFile, _ tokens: AddedTokenSets) throws(TokenizerError) {
    state = try State(file, tokens)
  }

  /// The ids of a text.
  /// - Parameters:
  ///   - text: valid UTF-8.
  ///   - continues: whether other text stands before it, so that it gets no space of its own.
  func encode(
    _ text: UnsafeRawBufferPointer, continues: Bool
  ) throws(TokenizerError) -> [Int32] {
    // One access to the state for the whole text, not one per word.
    try Self.encode(text, continues: continues, &state)
  }

  private static func encode(
    _ text: UnsafeRawBufferPointer, continues: Bool, _ state: inout State
  ) throws(TokenizerError) -> [Int32] {
    defer { state.ids = [] }
    state.continues = continues
    state.ids.reserveCapacity(text.count / 4 + 8)
    try state.add(text: text)
    return state.ids
  }
}

/// The added tokens of a file, by the text they are looked for in.
struct AddedTokenSets: Sendable {
  /// Looked for in a text as it came.
  let plain: AddedTokenMatcher
  /// Looked for in normalised text, and spelled as it spells them.
  let normalized: AddedTokenMatcher

  init(_ file: BytePairFile) {
    plain = AddedTokenMatcher(file.added.filter { !$0.isNormalized }, spelling: file.spelling)
    normalized = AddedTokenMatcher(file.added.filter(\.isNormalized), spelling: file.spelling)
  }
}

extension BytePairEncoder {
  fileprivate struct State {
    var ids: [Int32] = []
    /// Whether the text goes on from other text.
    var continues = false
    /// Whether the next word gets no space before it.
    private var keepsStart = false
    private let normalization: Normalization
    private let rules: SplitRules
    private let boundaries: WordBoundaries?
    private let tokens: AddedTokenSets
    /// By stage; nil for a stage without a pattern.
    private let matchers: [PatternMatcher?]
    private var words: WordEncoder

    init(_ file: BytePairFile, _ tokens: AddedTokenSets) throws(TokenizerError) {
      normalization = file.normalization
      rules = file.rules
      boundaries = file.boundaries
      self.tokens = tokens
      var matchers: [PatternMatcher?] = []
      for stage in file.rules.stages {
        if case .split(let pattern, _, _) = stage {
          matchers.append(try PatternMatcher(pattern))
        } else {
          matchers.append(nil)
        }
      }
      self.matchers = matchers
      words = WordEncoder(file.model)
    }

    /// A whole text: added tokens, and what lies between them.
    mutating func add(text: UnsafeRawBufferPointer) throws(TokenizerError) {
      let matcher = tokens.plain
      guard !matcher.isEmpty else { return try add(plain: text, isFirst: true) }
      try matcher.split(text) { (part) throws(TokenizerError) in
        switch part {
        case .token(let id): ids.append(id)
        case .text(let range):
          try add(plain: .init(rebasing: text[range]), isFirst: range.lowerBound == 0)
        }
      }
    }

    /// Text without plain added tokens.
    private mutating func add(
      plain text: UnsafeRawBufferPointer, isFirst: Bool
    ) throws(TokenizerError) {
      guard !normalization.keeps(text) else { return try add(normalized: text, isFirst) }
      let prefixes = !(continues && isFirst)
      try add(normalization.apply(text, prefixes: prefixes)) {
        (state, text) throws(TokenizerError) in
        try state.add(normalized: text, isFirst)
      }
    }

    private mutating func add(
      normalized text: UnsafeRawBufferPointer, _ isFirst: Bool
    ) throws(TokenizerError) {
      let matcher = tokens.normalized
      guard !matcher.isEmpty else { return try add(piece: text, isFirst) }
      try matcher.split(text) { (part) throws(TokenizerError) in
        switch part {
        case .token(let id): ids.append(id)
        case .text(let range):
          try add(piece: .init(rebasing: text[range]), isFirst && range.lowerBound == 0)
        }
      }
    }

    /// Text without added tokens.
    private mutating func add(
      piece text: UnsafeRawBufferPointer, _ isFirst: Bool
    ) throws(TokenizerError) {
      guard !text.isEmpty else { return }
      keepsStart = continues && isFirst
      guard let metaspace = rules.metaspace else { return try add(text, from: 0) }
      let spelled = metaspace.spelled(text, isFirst: isFirst, prefixes: !keepsStart)
      try add(spelled) { (state, text) throws(TokenizerError) in
        try state.add(text, from: 0)
      }
    }

    /// Hands over a text of our own.
    private mutating func add(
      _ text: [UInt8],
      _ body: (inout State, UnsafeRawBufferPointer) throws(TokenizerError) -> Void
    ) throws(TokenizerError) {
      let result: Result<Void, TokenizerError> = text.withUnsafeBytes { bytes in
        Result { () throws(TokenizerError) in try body(&self, bytes) }
      }
      try result.get()
    }
  }
}

// Splitting: each stage takes apart the pieces of the one before, and what the last one leaves is
// merged.
extension BytePairEncoder.State {
  fileprivate mutating func add(
    _ text: UnsafeRawBufferPointer, from stage: Int
  ) throws(TokenizerError) {
    guard stage < rules.stages.count else {
      addWords(text)
      return
    }
    switch rules.stages[stage] {
    case .spaceBefore:
      let keeps = keepsStart
      keepsStart = false
      guard text.first != 0x20, !keeps else { return try add(text, from: stage + 1) }
      try add([0x20] + Array(text)) { (state, text) throws(TokenizerError) in
        try state.add(text, from: stage + 1)
      }
    case .split(_, .isolated, _): try isolate(text, stage)
    case .split(_, let behavior, let inverted):
      for range in try SplitPieces(parts(text, stage, inverted), behavior).ranges
      where !range.isEmpty {
        try add(.init(rebasing: text[range]), from: stage + 1)
      }
    }
  }

  /// Matches and what lies between them, all of them pieces.
  private mutating func isolate(
    _ text: UnsafeRawBufferPointer, _ stage: Int
  ) throws(TokenizerError) {
    guard let matcher = matchers[stage] else { return }
    let isNested = stage + 1 < rules.stages.count
    var (done, position) = (0, 0)
    while position < text.count {
      for match in try matcher.next(in: text, from: &position) {
        if done < match.start { try add(text, done..<match.start, stage, isNested) }
        try add(text, match.start..<match.end, stage, isNested)
        done = match.end
      }
    }
    if done < text.count { try add(text, done..<text.count, stage, isNested) }
  }

  @inline(__always)
  private mutating func add(
    _ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ stage: Int, _ isNested: Bool
  ) throws(TokenizerError) {
    let piece = UnsafeRawBufferPointer(rebasing: text[range])
    if isNested { try add(piece, from: stage + 1) } else { addWords(piece) }
  }

  private func parts(
    _ text: UnsafeRawBufferPointer, _ stage: Int, _ inverted: Bool
  ) throws(TokenizerError) -> [(range: Range<Int>, isMatch: Bool)] {
    guard let matcher = matchers[stage] else { return [] }
    var parts: [(range: Range<Int>, isMatch: Bool)] = []
    var (done, position) = (0, 0)
    while position < text.count {
      for match in try matcher.next(in: text, from: &position) {
        if done < match.start { parts.append((done..<match.start, inverted)) }
        parts.append((match.start..<match.end, !inverted))
        done = match.end
      }
    }
    if done < text.count { parts.append((done..<text.count, inverted)) }
    return parts
  }

  private mutating func addWords(_ text: UnsafeRawBufferPointer) {
    guard let boundaries else {
      words.encode(text, into: &ids)
      return
    }
    var start = 0
    while start < text.count {
      let end = boundaries.next(in: text, after: start)
      words.encode(.init(rebasing: text[start..<end]), into: &ids)
      start = end
    }
  }
}

extension SplitRules.Metaspace {
  /// A text as its words spell it.
  fileprivate func spelled(
    _ text: UnsafeRawBufferPointer, isFirst: Bool, prefixes: Bool
  ) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2)
    for byte in text {
      if byte == 0x20 { result += character } else { result.append(byte) }
    }
    let adds = prefix == .always || (prefix == .first && isFirst)
    return adds && prefixes && !result.starts(with: character) ? character + result : result
  }
}
