import Records

/// A method's runs over all seeds, compared with the reference's runs with the same seeds.
public struct MethodSummary: Hashable, Sendable {
  public let label: String
  public let rows: [ComparisonRow]
  public let finalLoss: SampleStatistics
  public let bestLoss: SampleStatistics
  /// Losses of the judged weights, by seed.
  let losses: [Int: Double]
  /// The judged loss minus the reference's, in nats, paired by seed.
  public let difference: SampleStatistics
  /// The loss at the training time at which the reference had finished.
  public let lossAtEqualTime: SampleStatistics
  /// Training time until the loss reaches the reference's final loss, over the seeds where it does.
  public let secondsToReferenceLoss: SampleStatistics
  /// That time as a multiple of the reference's own.
  public let timeRatio: SampleStatistics
  /// Number of seeds for which the reference has a loss to compare with.
  public let comparedSeeds: Int

  /// - Parameters:
  ///   - rows: the method's runs.
  ///   - reference: the reference's runs.
  public init(
    label: String, rows: [ComparisonRow], reference: [ComparisonRow], _ counted: CountedLoss
  ) {
    self.label = label
    self.rows = rows
    finalLoss = SampleStatistics(rows.compactMap(\.finalLoss))
    bestLoss = SampleStatistics(rows.compactMap(\.bestLoss))
    losses = Self.losses(rows, counted)
    difference = SampleStatistics(losses, minus: Self.losses(reference, counted))
    let pairs = rows.compactMap { row in
      reference.first { $0.seed == row.seed && $0.loss(counted) != nil }.map { (row, $0) }
    }
    comparedSeeds = pairs.count
    lossAtEqualTime = SampleStatistics(
      pairs.compactMap { $0.0.lossAtEqualTime(with: $0.1, counted) })
    secondsToReferenceLoss = SampleStatistics(
      pairs.compactMap { $0.0.seconds(toLossOf: $0.1, counted) })
    timeRatio = SampleStatistics(
      pairs.compactMap { row, reference in
        guard let own = reference.seconds(toLossOf: reference, counted), own > 0 else { return nil }
        return row.seconds(toLossOf: reference, counted).map { $0 / own }
      })
  }

  private static func losses(_ rows: [ComparisonRow], _ counted: CountedLoss) -> [Int: Double] {
    let pairs = rows.compactMap { row in row.loss(counted).map { (row.seed, $0) } }
    return Dictionary(pairs) { _, last in last }
  }

  /// The method's `type`.
  public var method: String { rows.first?.method ?? "" }

  /// The loss of the judged weights.
  public var loss: SampleStatistics {
    SampleStatistics(losses.sorted { $0.key < $1.key }.map(\.value))
  }

  /// The mean of a quantity over the runs.
  public func mean(_ figure: (ComparisonRow) -> Double) -> Double {
    SampleStatistics(rows.map(figure)).mean ?? 0
  }

  /// The mean of an integer quantity over the runs, rounded.
  public func roundedMean(_ figure: (ComparisonRow) -> Int) -> Int {
    Int(mean { Double(figure($0)) }.rounded())
  }

  /// Mean size of the runs' deltas in bytes; nil if there are none.
  public var deltaBytes: Int? {
    SampleStatistics(rows.compactMap { $0.deltaBytes.map(Double.init) }).mean
      .map { Int($0.rounded()) }
  }

  /// The summary as a line of `compare --json`.
  public var record: SummaryRecord {
    var record = SummaryRecord(
      label: label, method: method, seeds: rows.count, finalLoss: finalLoss.record(spread: true),
      bestLoss: bestLoss.record(spread: true), difference: difference.record(spread: true),
      lossAtEqualTime: lossAtEqualTime.record(),
      timeToReferenceLoss: SummaryRecord.Reached(
        mean: secondsToReferenceLoss.mean, seeds: secondsToReferenceLoss.count, of: comparedSeeds),
      timeRatio: timeRatio.record())
    record.tokensPerSecond = mean(\.tokensPerSecond)
    record.plannedBytes = roundedMean(\.plannedBytes)
    record.peakResidentBytes = roundedMean(\.peakResidentBytes)
    record.trainableParameters = roundedMean(\.trainableParameters)
    record.deltaBytes = deltaBytes
    record.analysisSeconds = mean(\.analysisSeconds)
    record.trainingSeconds = mean(\.trainingSeconds)
    record.seconds = mean(\.seconds)
    return record
  }
}

extension SampleStatistics {
  /// Mean and 95 % confidence interval; nil if there are too few values.
  /// - Parameter spread: also include the standard deviation.
  func record(spread: Bool = false) -> SampleRecord {
    SampleRecord(
      mean: mean, low: interval?.lowerBound, high: interval?.upperBound,
      standardDeviation: spread ? standardDeviation : nil, hasSpread: spread)
  }
}
