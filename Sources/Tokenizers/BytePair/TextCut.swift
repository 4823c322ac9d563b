/// Whether and how a byte-pair tokenizer's texts may be cut at a single space between two ASCII
/// letters: encoding both parts gives the ids of the whole.
enum TextCut: Sendable {
  /// Nowhere.
  case never
  /// The space begins the part behind.
  case beforeSpace
  /// The space goes; the tokenizer puts it before every text.
  case droppingSpace

  /// Split patterns of models that end a word at a letter before a space and begin one at the space
  /// before a letter, whatever stands around: their matches take a letter and a space only in that
  /// order, they look behind a match no further than one character, and before it not at all.
  private static let separating: Set<String> = Set(
    [SplitRules.gpt2]
      + ByteLevelSplits.all.values.flatMap(\.self).filter(\.separatesWords)
      .map(\.pattern))
  /// Split patterns whose matches hold neither ASCII letters nor a space beside one.
  private static let indifferent: Set<String> = Set(
    [#"\p{N}"#, #"\p{N}+"#, #"[\p{P}!-\/:-@\[-`{-~]"#]
      + ByteLevelSplits.all.values.flatMap(\.self).filter { !$0.separatesWords }.map(\.pattern))

  init(_ file: BytePairFile) {
    let space = file.normalization.spaceReplacement ?? file.rules.metaspace?.character
    let wish: TextCut
    switch file.normalization.prefix {
    case nil: wish = .beforeSpace
    case file.normalization.spaceReplacement: wish = .droppingSpace
    default: wish = .never
    }
    let allows = file.added.allSatisfy { token in
      Self.allows(token, spelled: file.spelling(of: token), space: space ?? [0x20], wish)
    }
    let isLocal = file.normalization.isLocalAtSpaces
    self = isLocal && allows && Self.keepsWordsApart(file, spelledSpace: space) ? wish : .never
  }

  /// Whether a token is found alike in the parts: none reaches over a cut, and none depends on what
  /// lies on the other side of one.
  private static func allows(
    _ token: AddedToken, spelled: [UInt8], space: [UInt8], _ cut: TextCut
  ) -> Bool {
    let startsWithSpace = spelled.first == 0x20 || spelled.starts(with: space)
    let reachesOver = spelled.indices.dropLast().contains { index in
      let rest = spelled[(index + 1)...]
      return SpaceBetweenLetters.isLetter(spelled[index])
        && (rest.first == 0x20 || rest.starts(with: space))
    }
    let takesDroppedSpace =
      token.takesSpaceAfter && spelled.last.map(SpaceBetweenLetters.isLetter) ?? false
    let looksBack = token.isWord && startsWithSpace
    // Where the part behind begins with a token, nothing puts the dropped space back.
    let losesSpace =
      cut == .droppingSpace && !token.isNormalized && !token.isSpecial
      && spelled.first.map(SpaceBetweenLetters.isLetter) ?? false
    return !reachesOver && !takesDroppedSpace && !looksBack && !losesSpace
  }

  private static func keepsWordsApart(_ file: BytePairFile, spelledSpace: [UInt8]?) -> Bool {
    switch words(of: file, spelledSpace: spelledSpace) {
    case .matched, .beginningWithSpaces: true
    case .unsplit: file.boundaries?.keepLettersApart ?? false
    case .unknown: false
    }
  }

  /// What makes the words that merges stay in.
  enum Words {
    /// The matches of a pattern that is known to separate words.
    case matched
    /// Each word begins with what stands for a space.
    case beginningWithSpaces
    /// A whole text is one word, but for single characters or runs of one kind.
    case unsplit
    /// Something else.
    case unknown
  }

  /// - Parameter spelledSpace: what stands for a space, if anything does.
  static func words(of file: BytePairFile, spelledSpace: [UInt8]?) -> Words {
    for stage in file.rules.stages {
      guard case .split(let pattern, let behavior, let inverted) = stage else { continue }
      let keepsMatches =
        (behavior == .isolated && !inverted) || (behavior == .removed && inverted)
      if keepsMatches, separating.contains(pattern.source) { return .matched }
      if indifferent.contains(pattern.source), behavior == .isolated { continue }
      // Spaces are spelled otherwise by then.
      if pattern.source == "\u{20}", let spelledSpace, !spelledSpace.contains(0x20) { continue }
      if behavior == .mergedWithNext, !inverted,
        file.rules.metaspace.map({ Array(pattern.source.utf8) == $0.character }) ?? false
      {
        return .beginningWithSpaces
      }
      return .unknown
    }
    return .unsplit
  }

  /// Whether all that takes words apart are patterns that this type lists.
  static func knowsAllPatterns(of file: BytePairFile) -> Bool {
    file.rules.stages.allSatisfy { stage in
      guard case .split(let pattern, let behavior, let inverted) = stage else { return true }
      return behavior == .isolated && !inverted
        && (separating.contains(pattern.source) || indifferent.contains(pattern.source))
    }
  }

  /// The first place to cut at or behind `position`.
  func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut? {
    guard self != .never else { return nil }
    return SpaceBetweenLetters.next(in: text, from: position).map {
      SegmentCut(end: $0, next: self == .droppingSpace ? $0 + 1 : $0)
    }
  }
}
