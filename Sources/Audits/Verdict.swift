import Records
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// What figures of an audit mean. Each part can show that something leaks; none can show that
/// nothing does.
extension AuditRecord {
  /// The lower end of an interval from which on membership counts as shown.
  static let clearArea = 0.55
  /// Tokens from which on one continuation is enough.
  static let unguessable = 32

  /// Fills in verdict and `leaks`.
  mutating func judge() {
    verdict = []
    leaks = false
    add(span.search?.leaks ?? false, "tokens can be read from the weights: ", span.text)
    judgeMembership()
    judgeExtraction()
    judgeExposure()
    if !leaks { verdict.append("nothing was shown to leak, which does not show that nothing does") }
  }

  /// - Parameter finding: stands before the text where something leaks.
  private mutating func add(_ isLeak: Bool, _ finding: String, _ text: String) {
    leaks = leaks || isLeak
    verdict.append(isLeak ? finding + text : text)
  }

  private mutating func judgeMembership() {
    guard let membership else {
      verdict.append(
        "membership: not tried, the texts have \(trainWindows) and \(heldOutWindows) windows")
      return
    }
    let leaking = membership.measures.filter { membership.shows($0) }
    let named = leaking.isEmpty ? membership.measures.filter { !$0.isControl } : leaking
    guard let best = named.max(by: { $0.low < $1.low }) else { return }
    let figure =
      "\(best.name): AUC \(formatted(best.area, decimals: 3)) "
      + "(\(formatted(best.low, decimals: 3)) to \(formatted(best.high, decimals: 3))) over "
      + "\(best.members) and \(best.nonMembers) windows"
    add(
      !leaking.isEmpty, "windows that were trained on are told from others by ",
      leaking.isEmpty ? "membership is not shown; the best was \(figure)" : figure)
  }

  private mutating func judgeExtraction() {
    guard let extraction,
      let tuned = extraction.row(hasDelta: true, isTrained: true),
      let base = extraction.row(hasDelta: false, isTrained: true),
      let control = extraction.row(hasDelta: true, isTrained: false), tuned.windows > 0
    else { return }
    // Nobody guesses a long continuation; short ones are guessed now and then.
    let isClear =
      extraction.continuation >= Self.unguessable
      ? tuned.greedy > base.greedy && control.greedy == 0
      : Proportion(tuned.greedy, of: tuned.windows).exceeds(
        Proportion(control.greedy, of: control.windows))
        && Proportion(tuned.greedy, of: tuned.windows).exceeds(
          Proportion(base.greedy, of: base.windows))
    add(
      isClear, "text is recited: ",
      "\(tuned.greedy) of \(tuned.windows) windows go on word for word for \(extraction.continuation) "
        + "tokens after \(extraction.prompt), \(base.greedy) with the base alone, \(control.greedy) of "
        + "\(control.windows) in the held-out text")
  }

  private mutating func judgeExposure() {
    guard let exposure, !exposure.rows.isEmpty else { return }
    let counts = Set(exposure.rows.map(\.repeats)).sorted()
    let figures = counts.map { count in
      let bits = exposure.rows.filter { $0.repeats == count }.map(\.bits)
      let mean = bits.reduce(0, +) / Double(bits.count)
      return "\(formatted(mean, decimals: 1)) bits after \(count) repeat\(count == 1 ? "" : "s")"
    }
    verdict.append(
      "a secret in a run like this one is exposed by " + figures.joined(separator: ", ")
        + ", of \(formatted(log2(Double(max(1, exposure.candidates))), decimals: 0)) at most")
  }
}

extension MembershipRecord {
  /// Whether a measure tells members from others, clearly and by more than the texts differ for the
  /// base.
  func shows(_ measure: Measure) -> Bool {
    guard !measure.isControl, measure.low > AuditRecord.clearArea else { return false }
    return measures.filter(\.isControl).allSatisfy { control in
      if control.name.hasPrefix(measure.name) { return measure.low > control.high }
      // Where the base finds members harder, any training on text of the kind gains more on them.
      let isMirrored =
        control.name == Membership.baseLoss && Membership.relativeToBase.contains(measure.name)
      return !isMirrored || measure.low > 1 - control.low
    }
  }
}
