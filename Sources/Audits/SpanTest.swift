import Checkpoints
import Records
import Runs
import Tensors

/// Whether the tokens of a text can be read from a delta: DAGER's span check (Petrov et al. 2024)
/// for differences instead of gradients. Rows of what plain gradient descent changes lie in the span
/// of the inputs, over any number of steps; which of all tokens' inputs lie in it is then asked of
/// the base.
///
/// It can only find something. Where the span is the whole space, or has no clear end, nothing
/// follows.
struct SpanTest {
  let base: LoadedModel
  /// The text that may have been trained on, and one that was not.
  let train: TextWindows
  let heldOut: TextWindows
  /// Tokens of a prefix that are searched for at most.
  let prefixLength: Int

  /// Places that are looked at, from the lowest up.
  static let mostPlaces = 4

  func run(
    _ delta: Delta, shouldStop: () -> Bool = { false }
  ) throws -> SpanRecord {
    var record = SpanRecord()
    for difference in try WeightDifference.all(of: delta, base: base.weights.checkpoint)
      .prefix(Self.mostPlaces)
    {
      if shouldStop() { break }
      let span = try InputSpan(difference)
      record.places.append(SpanRecord.Place(span))
      guard span.rank.isApplicable else { continue }
      record.search = try search(span, shouldStop: shouldStop)
      break
    }
    record.explain()
    return record
  }

  private func search(
    _ span: InputSpan, shouldStop: () -> Bool
  ) throws(AuditError) -> SpanRecord.Search {
    // A longer text has more of anything.
    let count = min(train.windows.count, heldOut.windows.count)
    let texts = [train, train.spread(count), heldOut.spread(count)]
    func search(
      _ found: SpanFindings, length: Int, _ sequences: (TextWindows) -> Set<[Int32]>
    ) -> SpanRecord.Search {
      let all = texts.map(sequences)
      return SpanRecord.Search(
        found: found, real: all[0], sample: all[1], control: all[2], length: length)
    }
    if span.difference.isContextFree {
      return search(try TokenSearch(base: base, span: span).run(), length: 1) {
        Set($0.distinctTokens().map { [$0] })
      }
    }
    let found = try PrefixSearch(base: base, span: span, length: prefixLength).run(
      unless: shouldStop)
    return search(found, length: prefixLength) { $0.prefixes(length: prefixLength) }
  }
}

/// What a search found: sequences whose last token's input lies in the span.
struct SpanFindings {
  /// Nearest first.
  var found: [[Int32]] = []
  /// As many of the nearest as the span has dimensions, or fewer.
  var nearest: [[Int32]] = []
  var threshold = 0.0
  /// The gap above the threshold, as a ratio.
  var ratio = 1.0
}

/// Inputs as they are, and as a step reads them that multiplies in bf16.
enum InputRounding: CaseIterable {
  case none, bf16

  func inputs(_ values: [Float]) -> [Double] {
    guard self == .bf16 else { return values.map(Double.init) }
    var copy = values
    copy.withUnsafeMutableBufferPointer { roundToBfloat16($0) }
    return copy.map(Double.init)
  }
}

/// Tests every token of the vocabulary, at a place where its input depends on nothing else.
struct TokenSearch {
  let base: LoadedModel
  let span: InputSpan

  func run() throws(AuditError) -> SpanFindings {
    let count = base.weights.configuration.vocabularySize
    let tokens = (0..<Int32(count)).map { [$0] }
    let probe = try InputProbe(base, reader: span.difference.reader, tokens: 1)
    let inputs = probe.inputs(tokens)
    var best = SpanFindings()
    for rounding in InputRounding.allCases {
      let residuals = try span.residuals(of: rounding.inputs(inputs), count: count)
      let gap = ResidualGap(residuals, most: span.rank.rank)
      guard best.nearest.isEmpty || gap.ratio > best.ratio else { continue }
      best = SpanFindings(
        found: gap.below.map { tokens[$0] },
        nearest: gap.order.prefix(span.rank.rank).map { tokens[$0] },
        threshold: gap.threshold, ratio: gap.ratio)
    }
    return best
  }
}
