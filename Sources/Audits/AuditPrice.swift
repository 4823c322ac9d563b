/// What an audit takes, before it starts.
public struct AuditPrice: Sendable {
  /// Tokens that models read forward, without the search for longer beginnings.
  public var forwardTokens: Int
  /// Tokens that shadow runs train on.
  public var shadowTokens: Int
  /// Tokens that the delta was trained on; nil where it does not say.
  public var trainedTokens: Int?

  /// All of it as a share of the training: forward and backward take three times as long as forward
  /// alone.
  public var share: Double? {
    trainedTokens.map { Double(forwardTokens + 3 * shadowTokens) / Double(3 * $0) }
  }
}
