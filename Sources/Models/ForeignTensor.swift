/// A tensor of another format that holds a parameter: all of it, or consecutive rows of it.
public struct ForeignTensor: Hashable, Sendable {
  public let name: String
  /// The rows that are the parameter's, and how many the tensor has; nil where the tensor is the
  /// parameter.
  public let part: Part?

  /// Some rows of a tensor that holds several parameters.
  public struct Part: Hashable, Sendable {
    public let rows: Range<Int>
    public let rowCount: Int
  }

  /// A tensor that is the parameter.
  public init(_ name: String) {
    self.name = name
    part = nil
  }

  /// Rows of a tensor of `rowCount` rows.
  public init(_ name: String, rows: Range<Int>, of rowCount: Int) {
    self.name = name
    part = Part(rows: rows, rowCount: rowCount)
  }

  private init(name: String, part: Part?) {
    self.name = name
    self.part = part
  }

  /// The same rows of the tensor of a longer name.
  func qualified(_ prefix: String, _ suffix: String) -> ForeignTensor {
    ForeignTensor(name: prefix + name + suffix, part: part)
  }

  /// The extents of the whole tensor, for a parameter of that shape.
  public func extents(of parameter: [Int]) -> [Int] {
    guard let part else { return parameter }
    return [part.rowCount] + parameter.dropFirst()
  }
}

extension ForeignTensor: ExpressibleByStringLiteral {
  public init(stringLiteral name: String) { self.init(name) }
}
