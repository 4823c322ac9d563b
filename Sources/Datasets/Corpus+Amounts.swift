import Records

extension Corpus {
  /// What the training and the held-out text come to in windows.
  /// - Parameter sequenceLength: as the corpus was prepared for.
  public func amounts(sequenceLength: Int) -> TextAmounts {
    let windows = train.windowCount(sequenceLength: sequenceLength, includePartial: false)
    // A window's last target is the next one's first input.
    let dropped =
      train.packingReport?.lostTokens ?? max(0, train.count - windows * sequenceLength - 1)
    return TextAmounts(
      sequenceLength: sequenceLength, trainedTokens: train.count - dropped,
      trainedDocuments: train.documentCount, trainedWindows: windows, droppedTokens: dropped,
      heldOutTokens: validation?.count ?? 0, heldOutDocuments: validation?.documentCount ?? 0)
  }
}
