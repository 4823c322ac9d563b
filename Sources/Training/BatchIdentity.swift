/// What decides which tokens a step sees; a resumed run must agree on all of it.
struct BatchIdentity: Hashable {
  var sequenceLength: Int
  var tokensPerStep: Int
  var trainingTokens: Int
  var seed: Int
  var shuffles: Bool

  init(_ settings: TrainingSettings, trainingTokens: Int) {
    sequenceLength = settings.shape.tokens
    tokensPerStep = settings.shape.tokensPerStep
    self.trainingTokens = trainingTokens
    seed = Int(truncatingIfNeeded: settings.seed)
    shuffles = settings.shuffles
  }

  /// Keys of the training state.
  var fields: [(key: String, value: Int)] {
    [
      ("sequence_length", sequenceLength), ("tokens_per_step", tokensPerStep),
      ("training_tokens", trainingTokens), ("seed", seed), ("shuffle", shuffles ? 1 : 0),
    ]
  }
}
