/// How much of a held-out text stands in the training text too: a loss on that says how well it was
/// learnt by heart.
struct RepeatedText {
  /// The share of the sampled parts of the held-out text that stand in the training text, in [0, 1].
  let share: Double
  /// What the parts are, in words.
  let unit: String

  /// Ids in a part of a text without rows.
  private static let blockIDs = 64
  /// The most parts that are looked for, spread evenly.
  private static let maximumBlocks = 1 << 14
  /// Rows of fewer ids may well stand twice by themselves.
  private static let leastRowIDs = 16
  /// Shares below this are not worth a word: licences, headings.
  private static let leastShare = 0.01

  /// - Returns: nil where next to nothing is repeated, or the held-out text is too short to tell.
  init?(_ held: TokenStream, in train: TokenStream) {
    let hasRows = held.packing != nil || train.packing != nil
    unit = hasRows ? "rows and documents" : "parts of \(Self.blockIDs) tokens"
    let (found, all) = hasRows ? Self.documents(held, train) : Self.blocks(held, train)
    guard all > 0, found > 1 else { return nil }
    share = Double(found) / Double(all)
    guard share >= Self.leastShare else { return nil }
  }

  /// The warning for the user.
  var warning: String {
    let percent = (1000 * share).rounded() / 10
    return
      "\(percent) % of the held-out text's \(unit) stand in the training text too: the held-out "
      + "loss will look better than it is; hold out text that does not repeat"
  }

  private static func documents(
    _ held: TokenStream, _ train: TokenStream
  ) -> (found: Int, all: Int) {
    var counts: [UInt64: Int] = [:]
    var all = 0
    for ids in held.documents where ids.count >= leastRowIDs {
      counts[hash(ids, of: held), default: 0] += 1
      all += 1
    }
    var found = 0
    for ids in train.documents where ids.count >= leastRowIDs {
      found += counts.removeValue(forKey: hash(ids, of: train)) ?? 0
    }
    train.releasePages()
    return (found, all)
  }

  /// A hash of the ids at some places of a stream.
  private static func hash(_ places: Range<Int>, of stream: TokenStream) -> UInt64 {
    places.reduce(UInt64(places.count)) { ($0 &* factor) &+ UInt64(UInt32(bitPattern: stream[$1])) }
  }

  private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// Parts of the held-out text that stand anywhere in the training text (Karp & Rabin 1987).
  private static func blocks(
    _ held: TokenStream, _ train: TokenStream
  ) -> (found: Int, all: Int) {
    let count = held.count / blockIDs
    guard count > 0, train.count >= blockIDs else { return (0, 0) }
    let step = (count + maximumBlocks - 1) / maximumBlocks
    // 2^20 bits tell most places of the training text from the parts at once.
    var (wanted, bits) = ([UInt64: Int](), [UInt64](repeating: 0, count: 1 << 14))
    func bit(_ hash: UInt64) -> Int { Int((hash &* factor) >> 44) }
    var all = 0
    for block in stride(from: 0, to: count, by: step) {
      let hash = hash(block * blockIDs..<(block + 1) * blockIDs, of: held)
      wanted[hash, default: 0] += 1
      bits[bit(hash) >> 6] |= 1 << UInt64(bit(hash) & 63)
      all += 1
    }
    let leading = (0..<blockIDs).reduce(UInt64(1)) { product, _ in product &* factor }
    // As `hash`: the length, then one id after the other.
    var (rolling, found) = (hash(0..<blockIDs, of: train), 0)
    let length = UInt64(blockIDs) &* leading
    for end in blockIDs...train.count {
      let place = bit(rolling)
      if bits[place >> 6] & 1 << UInt64(place & 63) != 0 {
        found += wanted.removeValue(forKey: rolling) ?? 0
      }
      guard end < train.count else { break }
      let first = UInt64(UInt32(bitPattern: train[end - blockIDs]))
      let next = UInt64(UInt32(bitPattern: train[end]))
      rolling =
        ((rolling &- length) &* factor) &- first &* leading &+ next &+ length
      if end % (1 << 20) == 0 { train.releasePages() }
    }
    train.releasePages()
    return (found, all)
  }
}
