/// A tensor's place in a model: its block, if it is in one, and its role. Spelled
/// `layers[3].mlp.up`, `layers[3].mlp.up.bias`, `embedding`.
public struct ParameterPath: Hashable, Sendable, LosslessStringConvertible {
  /// The block, counted from the bottom; nil outside blocks.
  public var layer: Int?
  public var role: ParameterRole

  public init(layer: Int? = nil, _ role: ParameterRole) {
    self.layer = layer
    self.role = role
  }

  /// Parses a path; nil if a block's number is opened but not closed.
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

  /// The path of a whole block.
  public static func block(_ layer: Int) -> String { "layers[\(layer)]" }

  /// The path of a block's MLP.
  public static func mlp(_ layer: Int) -> String { "\(block(layer)).mlp" }
}

/// A tensor's role in its block or its model, spelled as in paths: "attention.query", "norm".
public struct ParameterRole: RawRepresentable, Hashable, Sendable {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  public static let embedding = ParameterRole(rawValue: "embedding")
  /// The gain of the norm after all blocks.
  public static let norm = ParameterRole(rawValue: "norm")
  /// The output projection; a tied model has none of its own.
  public static let head = ParameterRole(rawValue: "head")
  public static let attentionNorm = ParameterRole(rawValue: "attention_norm")
  public static let mlpNorm = ParameterRole(rawValue: "mlp_norm")
  /// The gain of a norm over what attention gives, before it joins the residual stream.
  public static let attentionPostNorm = ParameterRole(rawValue: "attention_post_norm")
  /// The gain of a norm over what the MLP gives, before it joins the residual stream.
  public static let mlpPostNorm = ParameterRole(rawValue: "mlp_post_norm")

  /// The gain of the norm over each head's queries.
  public static let queryNorm = ParameterRole(rawValue: "attention.query_norm")
  /// The gain of the norm over each head's keys.
  public static let keyNorm = ParameterRole(rawValue: "attention.key_norm")

  /// The role of a linear map's matrix in a block.
  public static func linear(_ kind: LinearKind) -> ParameterRole {
    ParameterRole(rawValue: kind.roleName)
  }

  /// The bias beside a matrix of this role.
  public var bias: ParameterRole { ParameterRole(rawValue: rawValue + ".bias") }
}
