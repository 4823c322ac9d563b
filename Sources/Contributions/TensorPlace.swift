/// A tensor of a block: which block, and which of its tensors.
public struct TensorPlace: Hashable, Sendable {
  public let layer: Int
  /// "mlp.down", "attention_norm" …
  public let kind: String

  /// Nil for tensors outside blocks.
  public init?(_ path: String) {
    guard path.hasPrefix("layers["), let end = path.firstIndex(of: "]"),
      let layer = Int(path.dropFirst(7).prefix { $0.isNumber })
    else { return nil }
    self.layer = layer
    kind = String(path[path.index(end, offsetBy: 2)...])
  }

  /// The same tensor of another block.
  public func path(inLayer layer: Int) -> String { "layers[\(layer)].\(kind)" }

  /// The linear maps of a block, from its input to its output.
  public static let linearKinds = [
    LinearKind.query, .key, .value, .output, .gate, .up, .down,
  ].map(\.tensorKind)
}
