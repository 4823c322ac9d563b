/// A tensor of another format that holds a parameter: all of it, or consecutive rows of it.
public struct ForeignTensor: Hashable, Sendable {
  public let name: String
  /// The rows that are the parameter's, and how many the tensor has; nil where the tensor is the
  /// parameter.
  public let part: Part?
  /// What the parameter's elements have more than the tensor's: 1 where files leave that off gains.
  public let offset: Float

  /// Some rows of a tensor that holds several parameters.
  public struct Part: Hashable, Sendable {
    public let rows: Range<Int>
    public let rowCount: Int
  }

  /// A tensor that is the parameter.
  public init(_ name: String) {
    self.init(name: name, part: nil)
  }

  /// Rows of a tensor of `rowCount` rows.
  public init(_ name: String, rows: Range<Int>, of rowCount: Int) {
    self.init(name: name, part: Part(rows: rows, rowCount: rowCount))
  }

  private init(name: String, part: Part?, offset: Float = 0) {
    self.name = name
    self.part = part
    self.offset = offset
  }

  /// The same rows of the tensor of a longer name.
  func qualified(_ prefix: String, _ suffix: String) -> ForeignTensor {
    ForeignTensor(name: prefix + name + suffix, part: part, offset: offset)
  }

  /// The same tensor, to whose elements a constant is added.
  func adding(_ offset: Float) -> ForeignTensor {
    ForeignTensor(name: name, part: part, offset: offset)
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
