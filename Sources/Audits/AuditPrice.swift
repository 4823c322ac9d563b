/// What an audit takes, before it starts.
public struct AuditPrice: Sendable {
  /// Tokens that models read forward, without the search for longer beginnings.
  public var forwardTokens: Int
  /// Tokens that shadow runs train on.
  public var shadowTokens: Int
  /// Tokens that the delta was trained on; nil where it does not say.
  public var trainedTokens: Int?
  /// The arithmetic of training on a token, in that of reading one forward.
  public var perTrainedToken: Double

  /// All of it as a share of the training.
  public var share: Double? {
    trainedTokens.map {
      let training = perTrainedToken * Double($0)
      return (Double(forwardTokens) + perTrainedToken * Double(shadowTokens)) / training
    }
  }
}
