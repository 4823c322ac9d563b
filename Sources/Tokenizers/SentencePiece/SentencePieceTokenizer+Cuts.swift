import CSentencePiece

// Where a long text may be cut: at single spaces between words (`ModelDescription
// .encodesSegmentsAlike`), or between characters that no piece joins (`.encodesPartsAlike`).
extension SentencePieceTokenizer {
  public var allowsCuts: Bool { description.encodesSegmentsAlike }

  public func nextCut(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    if description.hasRules {
      return SpaceBetweenLetters.next(in: text, from: position).map(cut)
    }
    // Without rules a letter is like any other character.
    return Neighbours.first(in: text, from: position) { left, right, place in
      isSpaceBetweenWords(in: text, left, right, place)
    }.map(cut)
  }

  public var allowsJoints: Bool { description.encodesPartsAlike }

  public func nextJoint(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    let joints = knownJoints()
    var isAtSpace = false
    return Neighbours.first(in: text, from: position) { left, right, place in
      isAtSpace =
        description.encodesSegmentsAlike
        && (description.hasRules
          ? SpaceBetweenLetters.isAt(place, in: text)
          : isSpaceBetweenWords(in: text, left, right, place))
      return isAtSpace
        || isJoint(left, right, joints.pairs) && !isTouchedByRules(text, place, joints.rules)
    }.map { isAtSpace ? cut(at: $0) : SegmentCut(end: $0, next: $0, continues: true) }
  }

  /// A cut at a space, which the dummy prefix of the next segment stands for.
  private func cut(at space: Int) -> SegmentCut {
    SegmentCut(end: space, next: description.addsDummyPrefix ? space + 1 : space)
  }

  private func isSpaceBetweenWords(
    in text: UnsafeBufferPointer<UInt8>, _ left: UInt32, _ right: UInt32, _ place: Int
  ) -> Bool {
    guard right == 0x20, !Self.isSpace(left) else { return false }
    return Neighbours.scalar(in: text, at: place + 1).map { !Self.isSpace($0) } ?? false
  }

  /// Whether no piece holds the two characters side by side. Characters outside the vocabulary,
  /// neighbours of which would become one id, are kept together.
  private func isJoint(_ left: UInt32, _ right: UInt32, _ pairs: PairFilter) -> Bool {
    !Self.isSpace(left) && !Self.isSpace(right) && !pairs.contains(left, right)
      && (description.hasByteFallback || isPiece(left) || isPiece(right))
  }

  /// Spaces, and what stands for them in pieces.
  private static func isSpace(_ character: UInt32) -> Bool {
    character == 0x20 || character == 0x2581
  }

  private func isPiece(_ character: UInt32) -> Bool {
    guard let scalar = Unicode.Scalar(character) else { return false }
    var text = String(scalar)
    let id = text.withUTF8 { sft_sentencepiece_id(model, $0.baseAddress, $0.count) }
    return id >= 0 && id != unknown && !isControl(id) && !sft_sentencepiece_is_byte(model, id)
  }

  /// Whether a rule of normalisation may reach over a place, or change a character beside it.
  private func isTouchedByRules(
    _ text: UnsafeBufferPointer<UInt8>, _ place: Int, _ rules: RuleNeighbours
  ) -> Bool {
    guard description.hasRules else { return false }
    guard let left = Neighbours.scalar(in: text, before: place),
      let right = Neighbours.scalar(in: text, at: place),
      let before = Neighbours.scalar(in: text, before: place - Neighbours.width(left)),
      let after = Neighbours.scalar(in: text, at: place + Neighbours.width(right))
    else { return true }
    return !rules.allowsCut(before: before, left, right, after: after)
  }

  private func knownJoints() -> CharacterJoints {
    joints.withLock { joints in
      if let joints { return joints }
      var pairs = PairFilter()
      // The spellings of byte pieces are no text.
      for id in 0..<Int32(vocabularySize)
      where !isControl(id) && !sft_sentencepiece_is_byte(model, id) {
        var count = 0
        let start = sft_sentencepiece_piece(model, id, &count)
        pairs.insert(neighboursIn: UnsafeBufferPointer(start: start, count: count))
      }
      let found = CharacterJoints(pairs: pairs, rules: RuleNeighbours(description.rules))
      joints = found
      return found
    }
  }
}

/// Which characters belong together.
struct CharacterJoints: Sendable {
  /// Characters that stand side by side in a piece.
  let pairs: PairFilter
  let rules: RuleNeighbours
}
