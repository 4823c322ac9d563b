/// The linear maps of a decoder block, from its input to its output.
public enum LinearKind: String, Hashable, Sendable, CaseIterable {
  case query, key, value, output, gate, up, down

  /// The kind as tensor names spell it: "attention.query", "mlp.up".
  public var roleName: String {
    switch self {
    case .query, .key, .value, .output: "attention.\(rawValue)"
    case .gate, .up, .down: "mlp.\(rawValue)"
    }
  }

  /// The path of this kind's matrix in a block.
  public func path(layer: Int) -> String {
    ParameterPath(layer: layer, .linear(self)).description
  }
}
