/// How much of a corpus trains, how much is held out, and what falls between.
public struct CorpusAmounts: Hashable, Sendable {
  /// Targets in a window.
  public var sequenceLength: Int
  /// Tokens of the training text that stand in windows.
  public var trainedTokens: Int
  /// Documents of the training text; one may go on in the held-out text.
  public var trainedDocuments: Int
  public var trainedWindows: Int
  /// Tokens of the training text that no window holds: a text's last ones, or rows left out.
  public var droppedTokens: Int
  public var heldOutTokens: Int
  public var heldOutDocuments: Int
}

extension Corpus {
  /// What the training and the held-out text come to in windows.
  /// - Parameter sequenceLength: as the corpus was prepared for.
  public func amounts(sequenceLength: Int) -> CorpusAmounts {
    let windows = train.windowCount(sequenceLength: sequenceLength, includePartial: false)
    // A window's last target is the next one's first input.
    let dropped =
      train.packingReport?.lostTokens ?? max(0, train.count - windows * sequenceLength - 1)
    return CorpusAmounts(
      sequenceLength: sequenceLength, trainedTokens: train.count - dropped,
      trainedDocuments: train.documentCount, trainedWindows: windows, droppedTokens: dropped,
      heldOutTokens: validation?.count ?? 0, heldOutDocuments: validation?.documentCount ?? 0)
  }
}
