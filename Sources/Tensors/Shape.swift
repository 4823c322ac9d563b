/// The extents of a tensor, slowest axis first. Matrices are row-major: `[rows, columns]`.
public struct Shape: Hashable, Codable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible
{
  public let extents: [Int]

  public init(_ extents: [Int]) {
    precondition(extents.allSatisfy { $0 >= 0 }, "negative extent in \(extents)")
    self.extents = extents
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// Number of axes.
  public var rank: Int { extents.count }
  /// Number of elements; 1 for a scalar.
  public var count: Int { extents.reduce(1, *) }
  /// All axes but the last, multiplied; 1 for a vector or a scalar.
  public var rows: Int { extents.dropLast().reduce(1, *) }
  /// The last axis; 1 for a scalar.
  public var columns: Int { extents.last ?? 1 }

  public subscript(axis: Int) -> Int { extents[axis] }

  public var description: String { "[" + extents.map(String.init).joined(separator: ", ") + "]" }

  public init(from decoder: any Decoder) throws {
    let extents = try decoder.singleValueContainer().decode([Int].self)
    guard extents.allSatisfy({ $0 >= 0 }) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "negative extent in \(extents)"))
    }
    self.extents = extents
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(extents)
  }
}
