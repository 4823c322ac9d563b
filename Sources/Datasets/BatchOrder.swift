import Tensors

/// Which window is trained on at which place: epoch after epoch, each a permutation of its own if
/// shuffled, else in the order of the text. Batches take places in order and run on across epochs.
public struct BatchOrder: Sendable {
  /// Windows in an epoch.
  public let windowCount: Int
  /// The same windows in another order, as far as the first so many places go.
  public struct Reordering: Hashable, Sendable {
    /// How many places of the first epoch change among themselves.
    public var count: Int
    /// Which order, of the many that the seed gives.
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
  /// Which place of the first epoch a place takes its window from.
  private let moved: [Int]

  /// Epoch e draws from this stream of the seed, plus e: away from the streams of other uses.
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

  /// The epoch that `position` lies in, from 0.
  public func epoch(at position: Int) -> Int { position / windowCount }

  /// The window at a place counted from the first of the first epoch. Any order of calls gives the
  /// same; asking within one epoch is cheap.
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
