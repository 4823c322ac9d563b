import Records

/// The state shown by the live line; nil values are not known yet and are omitted.
public struct ProgressState: Sendable {
  /// The current activity, for example "training" or "analysis".
  public var activity: String
  /// Steps done; `totalSteps` are all steps of the run.
  public var step: Int
  public var totalSteps: Int
  /// Losses in nats per token.
  public var loss: Double?
  public var validationLoss: Double?
  public var tokensPerSecond: Double?
  /// Resident memory now; `plannedBytes` is the planned peak it is compared with.
  public var residentBytes: Int?
  public var plannedBytes: Int?
  public var etaSeconds: Double?

  public init(
    activity: String = "training", step: Int, totalSteps: Int, loss: Double? = nil,
    validationLoss: Double? = nil, tokensPerSecond: Double? = nil, residentBytes: Int? = nil,
    plannedBytes: Int? = nil, etaSeconds: Double? = nil
  ) {
    self.activity = activity
    self.step = step
    self.totalSteps = totalSteps
    self.loss = loss
    self.validationLoss = validationLoss
    self.tokensPerSecond = tokensPerSecond
    self.residentBytes = residentBytes
    self.plannedBytes = plannedBytes
    self.etaSeconds = etaSeconds
  }

  /// A step of a run.
  ///
  ///   - totalSteps: number of steps in the run.
  ///   - validationLoss: the latest one, in nats per token; nil before the first.
  public init(
    activity: String = "training", _ report: StepReport, totalSteps: Int, validationLoss: Double?
  ) {
    self.init(
      activity: activity, step: report.step, totalSteps: totalSteps, loss: report.loss,
      validationLoss: validationLoss, tokensPerSecond: report.tokensPerSecond,
      residentBytes: report.residentBytes, plannedBytes: report.plannedBytes,
      etaSeconds: report.etaSeconds)
  }

  /// Share of the steps that are done, in [0, 1].
  public var share: Double {
    totalSteps > 0 ? min(1, max(0, Double(step) / Double(totalSteps))) : 0
  }
}

extension ProgressState {
  /// The line for a terminal `width` columns wide: a bar and as many fields as fit, the less
  /// important ones dropped first (memory, validation loss, tokens/s, time left, loss).
  /// Never wider than `width`. Where it is not known how many steps there are, the activity's name.
  public func line(width: Int, styled: (String, Terminal.Style) -> String = { text, _ in text })
    -> String
  {
    var fields = self.fields
    let counter = totalSteps > 0 ? "\(step)/\(totalSteps)" : activity
    func text() -> String { ([counter] + fields.map(\.text)).joined(separator: "  ") }
    while displayWidth(text()) > width, let last = leastImportant(fields) {
      fields.remove(at: last)
    }

    // The bar takes the remaining space, from 6 to 24 columns plus two brackets and a space.
    let space = width - displayWidth(text()) - 3
    guard space >= 6, totalSteps > 0 else { return truncated(text(), width: width) }
    let columns = min(24, space)
    let full = Int((share * Double(columns)).rounded(.down))
    let bar =
      styled(String(repeating: "▇", count: full), .green)
      + styled(String(repeating: "·", count: columns - full), .dim)
    return "[\(bar)] \(text())"
  }

  /// The line for a log file: all known fields, without a bar.
  public var plainLine: String {
    let percent = Int((share * 100).rounded(.down))
    let start = totalSteps > 0 ? "\(activity) \(step)/\(totalSteps) (\(percent) %)" : activity
    return ([start] + fields.map(\.text)).joined(separator: "  ")
  }

  /// Fields in display order; rank 1 is dropped last.
  private var fields: [(rank: Int, text: String)] {
    var fields: [(rank: Int, text: String)] = []
    if let loss { fields.append((1, "loss \(Format.loss(loss))")) }
    if let validationLoss { fields.append((4, "val \(Format.loss(validationLoss))")) }
    if let tokensPerSecond { fields.append((3, "\(Format.count(tokensPerSecond)) tok/s")) }
    if let residentBytes {
      let plan = plannedBytes.map { " of \(Format.bytes($0))" } ?? ""
      fields.append((5, "RSS \(Format.bytes(residentBytes))\(plan)"))
    }
    if let etaSeconds { fields.append((2, "ETA \(Format.duration(etaSeconds))")) }
    return fields
  }

  private func leastImportant(_ fields: [(rank: Int, text: String)]) -> Int? {
    fields.indices.max { fields[$0].rank < fields[$1].rank }
  }
}
