/// A tensor's place in a model: which block it is in, if it is in one, and its role there. Spelled
/// `layers[3].mlp.up`, `layers[3].mlp.up.bias`, `embedding`.
public struct ParameterPath: Hashable, Sendable, LosslessStringConvertible {
  /// The block, counted from the bottom; nil outside blocks.
  public var layer: Int?
  public var role: ParameterRole

  public init(layer: Int? = nil, _ role: ParameterRole) {
    self.layer = layer
    self.role = role
  }

  /// The path that a text spells; nil for a text that opens a block's number and does not end it.
  public init?(_ description: String) {
    guard description.hasPrefix("layers[") else {
      self.init(ParameterRole(rawValue: description))
      return
    }
    let parts = description.dropFirst("layers[".count).split(
      separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let layer = Int(parts[0]), layer >= 0, parts[1].hasPrefix("."),
      parts[1].count > 1
    else { return nil }
    self.init(layer: layer, ParameterRole(rawValue: String(parts[1].dropFirst())))
  }

  public var description: String {
    layer.map { "\(Self.block($0)).\(role.rawValue)" } ?? role.rawValue
  }

  /// What a whole block is called.
  public static func block(_ layer: Int) -> String { "layers[\(layer)]" }
}

/// What a tensor is in its block or its model, spelled as in paths: "attention.query", "norm".
public struct ParameterRole: RawRepresentable, Hashable, Sendable {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  public static let embedding = ParameterRole(rawValue: "embedding")
  /// The gain of the norm behind all blocks.
  public static let norm = ParameterRole(rawValue: "norm")
  /// The output projection; a tied model has none of its own.
  public static let head = ParameterRole(rawValue: "head")
  public static let attentionNorm = ParameterRole(rawValue: "attention_norm")
  public static let mlpNorm = ParameterRole(rawValue: "mlp_norm")

  /// The matrix of a block's linear map.
  public static func linear(_ kind: LinearKind) -> ParameterRole {
    ParameterRole(rawValue: kind.roleName)
  }

  /// The bias beside a matrix of this role.
  public var bias: ParameterRole { ParameterRole(rawValue: rawValue + ".bias") }
}
