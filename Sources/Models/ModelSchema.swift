import Tensors

/// Other programs' checkpoint formats, which name tensors.
public enum ForeignFormat: String, Hashable, Sendable, CaseIterable {
  /// Hugging Face's safetensors.
  case huggingFace
  /// llama.cpp's GGUF files.
  case gguf
}

/// A parameter as a family's schema describes it.
public struct ParameterDescription: Hashable, Sendable {
  public let path: ParameterPath
  /// `[out, in]` for matrices, `[n]` for gains and biases.
  public let shape: Shape
  public let kind: ParameterKind
  /// Whether the map's output is added to the residual stream, so that random weights start
  /// smaller.
  public let writesToResidual: Bool
  /// Whether rows are grouped by heads in the "halves" rotary layout; formats that interleave the
  /// pairs are converted to this order, and back.
  public let hasRotaryRows: Bool
  /// The tensors of other formats that hold it.
  public let foreignTensors: [ForeignFormat: ForeignTensor]

  public init(
    path: ParameterPath, shape: Shape, kind: ParameterKind, writesToResidual: Bool = false,
    hasRotaryRows: Bool = false, foreignTensors: [ForeignFormat: ForeignTensor] = [:]
  ) {
    self.path = path
    self.shape = shape
    self.kind = kind
    self.writesToResidual = writesToResidual
    self.hasRotaryRows = hasRotaryRows
    self.foreignTensors = foreignTensors
  }

  /// The path as written in files and recipes.
  public var name: String { path.description }

  /// Whether it may be stored in bf16 or int8; gains and biases are always f32.
  public var isMatrix: Bool { kind == .matrix || kind == .table }
}

/// Every parameter of a model in file order, with its tensors in other formats.
public struct ModelSchema: Sendable {
  public let parameters: [ParameterDescription]

  public init(_ parameters: [ParameterDescription]) { self.parameters = parameters }

  /// The parameter at a path; nil if the model has none there.
  public subscript(path: ParameterPath) -> ParameterDescription? {
    parameters.first { $0.path == path }
  }

  /// The tensors of a format in the order of their first parameters, each with the parameters that
  /// it holds, by their rows.
  public func tensors(
    in format: ForeignFormat
  ) -> [(name: String, parameters: [ParameterDescription])] {
    var names: [String] = []
    var held: [String: [ParameterDescription]] = [:]
    for parameter in parameters {
      guard let name = parameter.foreignTensors[format]?.name else { continue }
      if held[name] == nil { names.append(name) }
      held[name, default: []].append(parameter)
    }
    func firstRow(_ parameter: ParameterDescription) -> Int {
      parameter.foreignTensors[format]?.part?.rows.lowerBound ?? 0
    }
    return names.map { name in
      (name, (held[name] ?? []).sorted { firstRow($0) < firstRow($1) })
    }
  }
}
