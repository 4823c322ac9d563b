import Tensors

/// Formats of other programs that name tensors.
public enum ForeignFormat: String, Hashable, Sendable, CaseIterable {
  /// Hugging Face's safetensors.
  case huggingFace
}

/// A parameter as a family's schema has it.
public struct ParameterDescription: Hashable, Sendable {
  public let path: ParameterPath
  /// Matrices `[out, in]`, gains and biases `[n]`.
  public let shape: Shape
  public let kind: ParameterKind
  /// The map's output goes into the residual stream, so random weights start smaller.
  public let writesToResidual: Bool
  /// Rows are grouped by heads whose halves rotary positions turn against each other; formats that
  /// interleave them are brought into this order, and back.
  public let hasRotaryRows: Bool
  /// What other formats call the tensor.
  public let foreignNames: [ForeignFormat: String]

  public init(
    path: ParameterPath, shape: Shape, kind: ParameterKind, writesToResidual: Bool = false,
    hasRotaryRows: Bool = false, foreignNames: [ForeignFormat: String] = [:]
  ) {
    self.path = path
    self.shape = shape
    self.kind = kind
    self.writesToResidual = writesToResidual
    self.hasRotaryRows = hasRotaryRows
    self.foreignNames = foreignNames
  }

  /// The path as files and recipes spell it.
  public var name: String { path.description }

  /// Matrices may be stored in bf16 or int8; gains and biases are always f32.
  public var isMatrix: Bool { kind == .matrix || kind == .table }
}

/// Every parameter of a model in file order, and what other formats call them.
public struct ModelSchema: Sendable {
  public let parameters: [ParameterDescription]

  public init(_ parameters: [ParameterDescription]) { self.parameters = parameters }

  /// The parameter of a role outside blocks or in the given one.
  public subscript(path: ParameterPath) -> ParameterDescription? {
    parameters.first { $0.path == path }
  }

  /// Parameters by what a format calls them.
  public func parameters(
    namedIn format: ForeignFormat
  ) -> [String: ParameterDescription] {
    Dictionary(
      parameters.compactMap { parameter in
        parameter.foreignNames[format].map { ($0, parameter) }
      }, uniquingKeysWith: { first, _ in first })
  }
}
