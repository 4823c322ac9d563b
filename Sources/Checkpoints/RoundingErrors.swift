import Tensors

/// How far the values that a writer stores are from those of its source, tensor by tensor.
public final class RoundingErrors {
  /// The error of one tensor, or of several together.
  public struct Sums: Sendable {
    /// Sum of squares of the source's values.
    public private(set) var valueSquares = 0.0
    /// Sum of squares of the differences.
    public private(set) var errorSquares = 0.0
    /// The largest difference.
    public private(set) var largestError: Float = 0

    /// Nothing summed yet.
    public init() {}

    /// The differences' root mean square over the values'; 0 if all values are 0.
    public var relative: Double {
      valueSquares > 0 ? (errorSquares / valueSquares).squareRoot() : 0
    }

    /// Adds the sums of other values.
    public mutating func add(_ other: Sums) {
      valueSquares += other.valueSquares
      errorSquares += other.errorSquares
      largestError = max(largestError, other.largestError)
    }

    /// Adds values and what is stored of each.
    @inline(__always)
    mutating func add(
      _ values: UnsafePointer<Float>, count: Int, _ stored: (Int) -> Float
    ) {
      // Sums of singles over a row are exact enough for an error's first digits.
      var (squares, errors, largest): (Float, Float, Float) = (0, 0, 0)
      for i in 0..<count {
        let difference = values[i] - stored(i)
        squares += values[i] * values[i]
        errors += difference * difference
        largest = max(largest, difference.magnitude)
      }
      valueSquares += Double(squares)
      errorSquares += Double(errors)
      largestError = max(largestError, largest)
    }
  }

  /// The tensors that were rounded, in the order of writing.
  public private(set) var tensors: [(name: String, sums: Sums)] = []

  /// Nothing written yet.
  public init() {}

  /// Adds rows of a tensor.
  /// - Parameters:
  ///   - values: the source's values, row by row.
  ///   - stored: the same rows as they are stored.
  ///   - scales: the rows' scales; `int8` only.
  func add(
    _ name: String, _ values: UnsafePointer<Float>, stored: UnsafeRawPointer,
    _ elementType: ElementType, width: Int, rows: Int, scales: ArraySlice<Float>
  ) {
    guard elementType == .bf16 || elementType == .int8 else { return }
    if tensors.last?.name != name { tensors.append((name, Sums())) }
    var sums = tensors[tensors.count - 1].sums
    for row in 0..<rows {
      let start = values + row * width
      let place = stored + row * width * elementType.byteCount
      if elementType == .int8 {
        let bytes = place.assumingMemoryBound(to: Int8.self)
        let scale = scales[scales.startIndex + row]
        sums.add(start, count: width) { scale * Float(bytes[$0]) }
      } else {
        let bits = place.assumingMemoryBound(to: UInt16.self)
        sums.add(start, count: width) { float(bfloat16Bits: bits[$0]) }
      }
    }
    tensors[tensors.count - 1].sums = sums
  }
}
