import Tensors

/// The order in which windows are trained on, epoch after epoch: a new permutation for each if
/// shuffled, else the order of the text. Batches take consecutive positions, also across epochs.
public struct BatchOrder: Sendable {
  /// Windows in an epoch.
  public let windowCount: Int
  /// A different order of the windows at the first positions of the first epoch.
  public struct Reordering: Hashable, Sendable {
    /// Number of positions, from the start of the first epoch, whose windows are permuted.
    public var count: Int
    /// Which permutation, of those that the seed gives.
    public var draw: UInt64

    public init(count: Int, draw: UInt64) {
      self.count = count
      self.draw = draw
    }
  }

  private let seed: UInt64
  private let shuffle: Bool
  private var epoch = -1
  private var permutation: [Int32] = []
  /// For each reordered position of the first epoch, the position whose window it takes.
  private let moved: [Int]

  /// Random stream of epoch 0; epoch e uses this plus e. Distinct from the seed's other streams.
  private static let firstStream: UInt64 = 0x6F72_6465_7200_0000
  private static let reorderingStream: UInt64 = 0x7265_6F72_6400_0000

  /// - Parameter windowCount: 1 to `Int32.max`.
  public init(
    windowCount: Int, seed: UInt64, shuffle: Bool, reordering: Reordering? = nil
  ) {
    precondition(
      windowCount > 0 && windowCount <= Int(Int32.max), "an order of \(windowCount) windows")
    self.windowCount = windowCount
    self.seed = seed
    self.shuffle = shuffle
    moved =
      reordering.map { reordering in
        var random = RandomSource(
          seed: seed, stream: Self.reorderingStream &+ reordering.draw)
        return random.permutation(min(reordering.count, windowCount)).map(Int.init)
      } ?? []
  }

  /// The epoch that contains `position`, from 0.
  public func epoch(at position: Int) -> Int { position / windowCount }

  /// The window at a position counted from the start of the first epoch. The result does not depend
  /// on the order of calls; calls within one epoch are cheap.
  public mutating func window(at position: Int) -> Int {
    precondition(position >= 0, "position \(position)")
    let position = position < moved.count ? moved[position] : position
    guard shuffle else { return position % windowCount }
    let wanted = epoch(at: position)
    if wanted != epoch {
      var random = RandomSource(seed: seed, stream: Self.firstStream &+ UInt64(wanted))
      permutation = random.permutation(windowCount)
      epoch = wanted
    }
    return Int(permutation[position % windowCount])
  }
}
