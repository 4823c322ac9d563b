import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// A few numbers that tell a tensor x from others: √Σx², Σ x[i]·sin(i) and its first eight elements.
struct Fingerprint {
  let norm: Double
  let sine: Double
  let first: [Double]

  init(_ json: JSONValue) throws {
    norm = try json.number("norm")
    sine = try json.number("sine")
    first = try json.member("first").numbers()
  }

  init(of values: some Collection<Float>) {
    var (squares, sine) = (0.0, 0.0)
    for (index, value) in values.enumerated() {
      squares += Double(value) * Double(value)
      sine += Double(value) * sin(Double(index))
    }
    norm = squares.squareRoot()
    self.sine = sine
    first = values.prefix(8).map { Double($0) }
  }

  /// The largest difference to the expected fingerprint of a tensor of `count` elements: of norm and
  /// sine relative to the norm, of elements relative to their root mean square.
  func distance(from expected: Fingerprint, count: Int) -> Double {
    let scale = max(expected.norm, 1e-30)
    let elements = zip(first, expected.first).map { abs($0 - $1) }.max() ?? 0
    return max(
      abs(norm - expected.norm) / scale, abs(sine - expected.sine) / scale,
      elements / scale * Double(count).squareRoot())
  }
}
