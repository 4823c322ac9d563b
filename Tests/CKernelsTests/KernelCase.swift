import Programs

/// Numbers for tests: the same on every run (SplitMix64, Steele et al. 2014).
struct TestNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in -limit..<limit.
  mutating func float(_ limit: Float = 1) -> Float {
    (Float(bits() >> 40) * 0x1p-23 - 1) * limit
  }

  mutating func floats(_ count: Int, limit: Float = 1) -> [Float] {
    (0..<count).map { _ in float(limit) }
  }

  mutating func integer(below bound: Int) -> Int { Int(bits() % UInt64(bound)) }
}

/// One buffer of a kernel call: its bytes before the call, and what they mean.
struct TestBuffer: Equatable {
  enum Element { case float, double, bits16, bits8, int32 }

  var element: Element
  var bytes: [UInt8]

  private init(_ element: Element, _ values: [some Any]) {
    self.element = element
    bytes = values.withUnsafeBytes { Array($0) }
  }

  static func floats(_ values: [Float]) -> TestBuffer { TestBuffer(.float, values) }
  static func doubles(_ values: [Double]) -> TestBuffer { TestBuffer(.double, values) }
  static func int32(_ values: [Int32]) -> TestBuffer { TestBuffer(.int32, values) }
  static func int8(_ values: [Int8]) -> TestBuffer { TestBuffer(.bits8, values) }

  /// The upper halves of the floats: exact for kernels, whatever the rounding.
  static func bfloat16(_ values: [Float]) -> TestBuffer {
    TestBuffer(.bits16, values.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
  }

  static func raw(_ bytes: [UInt8]) -> TestBuffer { TestBuffer(.bits8, bytes) }

  /// The same bytes with another meaning.
  func reinterpreted(as element: Element) -> TestBuffer {
    var copy = self
    copy.element = element
    return copy
  }

  /// An output that no kernel may read: all NaN.
  static func unset(_ count: Int) -> TestBuffer { floats(Array(repeating: .nan, count: count)) }

  /// The values as doubles; integers as they are.
  var numbers: [Double] {
    bytes.withUnsafeBytes { raw in
      switch element {
      case .float: raw.bindMemory(to: Float.self).map(Double.init)
      case .double: Array(raw.bindMemory(to: Double.self))
      case .bits16:
        raw.bindMemory(to: UInt16.self).map { bits in
          Double(Float(bitPattern: UInt32(bits) << 16))
        }
      case .bits8: raw.bindMemory(to: Int8.self).map(Double.init)
      case .int32: raw.bindMemory(to: Int32.self).map(Double.init)
      }
    }
  }

  /// The largest |a − b| / (1 + |b|) against `other`; NaN equals NaN only.
  func error(against other: TestBuffer) -> Double {
    guard bytes != other.bytes else { return 0 }
    return zip(numbers, other.numbers).reduce(0) { worst, pair in
      if pair.0.isNaN && pair.1.isNaN || pair.0 == pair.1 { return worst }
      let error = (pair.0 - pair.1).magnitude / (1 + pair.1.magnitude)
      return error.isNaN ? .infinity : max(worst, error)
    }
  }
}

/// One call of a kernel, as `sft_kernels.def` describes it.
struct KernelCase {
  /// The kernel with its sizes and scalars.
  var call: NamedKernel
  /// What is special about this case; appears in failures.
  var label: String
  var buffers: [TestBuffer?]
  /// In-place use: a slot → the slot whose memory it shares.
  var aliases: [Int: Int] = [:]
  /// The whole call is the range 0..<items.
  var items: Int
  var scratchFloats = 0
  /// Largest |tuned − reference| / (1 + |reference|).
  var tolerance: Double
  /// Whether two ranges give the same bits as one; products leave that to their sgemm.
  var splitsExactly = true
  /// Whether only the first half of each of the first buffer's items counts.
  var ignoresSecondHalves = false

  var kernel: String { call.name }
  var description: String { "\(kernel) \(label)" }

  init(
    _ call: NamedKernel, label: String, buffers: [TestBuffer?], aliases: [Int: Int] = [:],
    items: Int, scratchFloats: Int = 0, tolerance: Double, splitsExactly: Bool = true,
    ignoresSecondHalves: Bool = false
  ) {
    self.call = call
    self.label = label
    self.buffers = buffers
    self.aliases = aliases
    self.items = items
    self.scratchFloats = scratchFloats
    self.tolerance = tolerance
    self.splitsExactly = splitsExactly
    self.ignoresSecondHalves = ignoresSecondHalves
  }

  /// A product, whose label says its sizes and how it is computed.
  ///
  /// - Parameters:
  ///   - left: x, or dy; as bytes, with `leftScales`, where bytes are multiplied.
  ///   - right: W and what scales its rows, or x of the weight's gradient.
  ///   - scratchFloats: as sft_kernels.def counts it.
  init(
    _ product: MatrixProduct, left: TestBuffer, right: (values: TestBuffer, scales: TestBuffer?),
    result: TestBuffer, leftScales: TestBuffer? = nil, scratchFloats: Int, tolerance: Double,
    splitsExactly: Bool = true
  ) {
    let key = product.product
    self.init(
      product.encoded,
      label: "m \(key.m) n \(key.n) k \(key.k) by \(product.variant.split) alpha \(product.alpha)"
        + (product.accumulates ? ", added" : "") + ", \(product.resultType)",
      buffers: product.buffers(
        left: left, right: right.values, rightScales: right.scales, result: result,
        leftScales: leftScales),
      items: product.items, scratchFloats: scratchFloats, tolerance: tolerance,
      splitsExactly: splitsExactly)
  }
}

/// The widths at which vector loops, their tails and their absence meet.
let testWidths = [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000]
