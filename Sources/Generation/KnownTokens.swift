/// The ids that stand for something: those that a tokenizer has a piece for. An embedding may have
/// more rows, and a vocabulary gaps, which nothing in training kept unlikely.
public struct KnownTokens: Sendable {
  /// Ids from here on have no piece; nil if all rows have one.
  public let count: Int?
  /// Ids below `count` without a piece.
  public let gaps: [Int]

  /// - Parameters:
  ///   - count: of the tokenizer's ids, gaps included; nil for all rows of the embedding.
  ///   - gaps: ids below `count` that have no piece.
  public init(count: Int? = nil, gaps: [Int] = []) {
    self.count = count
    self.gaps = gaps
  }

  /// Draws one of these ids.
  ///
  /// - Parameter logits: of all rows; finite.
  func draw(_ logits: UnsafeBufferPointer<Float>, _ sampler: inout Sampler) -> Int {
    let known = UnsafeBufferPointer(rebasing: logits.prefix(count ?? logits.count))
    guard !gaps.isEmpty else { return sampler.draw(known) }
    var masked = Array(known)
    for id in gaps where id < masked.count { masked[id] = -.infinity }
    return masked.withUnsafeBufferPointer { sampler.draw($0) }
  }
}
