import Records

extension BatchIdentity {
  /// - Parameter trainingTokens: of the whole text.
  init(_ settings: TrainingSettings, trainingTokens: Int) {
    self.init(
      sequenceLength: settings.shape.tokens, tokensPerStep: settings.shape.tokensPerStep,
      trainingTokens: trainingTokens, seed: Int(truncatingIfNeeded: settings.seed),
      shuffles: settings.shuffles)
  }
}
