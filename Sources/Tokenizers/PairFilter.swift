/// Which characters stand side by side in some piece of a vocabulary. A pair that was inserted is
/// always found; a few others are taken for one, which only forbids a cut.
struct PairFilter: Sendable {
  /// 2^20 bits: enough for the hundred thousand pairs of the largest vocabularies.
  private var bits = [UInt64](repeating: 0, count: 1 << 14)

  /// Adds a pair of neighbours.
  mutating func insert(_ left: UInt32, _ right: UInt32) {
    let place = Self.place(left, right)
    bits[place >> 6] |= 1 << UInt64(place & 63)
  }

  /// Adds all neighbours in a text.
  mutating func insert(neighboursIn text: some Collection<UInt8>) {
    var last: UInt32?
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if let last { insert(last, scalar.value) }
      last = scalar.value
    }
  }

  /// False for a pair that was not inserted, almost always.
  func contains(_ left: UInt32, _ right: UInt32) -> Bool {
    let place = Self.place(left, right)
    return bits[place >> 6] & 1 << UInt64(place & 63) != 0
  }

  private static func place(_ left: UInt32, _ right: UInt32) -> Int {
    Int(((UInt64(left) << 32 | UInt64(right)) &* 0x9E37_79B9_7F4A_7C15) >> 44)
  }
}
