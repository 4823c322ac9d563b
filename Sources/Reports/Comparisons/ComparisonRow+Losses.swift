import Records

extension ComparisonRow {
  /// The held-out loss of the judged weights.
  public func loss(_ counted: CountedLoss) -> Double? {
    counted == .final ? finalLoss : bestLoss
  }

  /// The loss curve of the judged weights.
  public func curve(_ counted: CountedLoss) -> LossCurve {
    counted == .final ? curve : curve.ofBestSnapshots
  }

  /// The loss at the training time at which `reference`, a run of the same seed, had finished.
  public func lossAtEqualTime(
    with reference: ComparisonRow, _ counted: CountedLoss
  ) -> Double? {
    reference.curve.finalSeconds.flatMap { curve(counted).loss(at: $0) }
  }

  /// The training time until the loss reaches the final loss of `reference`; nil if it never does.
  public func seconds(
    toLossOf reference: ComparisonRow, _ counted: CountedLoss
  ) -> Double? {
    reference.loss(counted).flatMap { curve(counted).seconds(toReach: $0) }
  }
}
