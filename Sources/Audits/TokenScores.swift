/// What a model says of each token of a window.
struct TokenScores {
  /// log p of the target, in nats.
  var logProbabilities: [Float] = []
  /// How many standard deviations of log p it is above what the model expects of its own draws.
  var standardised: [Float] = []
  /// Whether the target is the likeliest token.
  var isLikeliest: [Bool] = []

  /// Mean negative log-likelihood; 0 without any token.
  var loss: Double {
    -logProbabilities.reduce(0) { $0 + Double($1) } / Double(max(1, logProbabilities.count))
  }

  /// The mean over the share of tokens that are the most surprising for the model: min-k %++
  /// (Zhang et al. 2024, eq. 3).
  func leastStandardised(share: Double) -> Double {
    let count = max(1, Int(share * Double(standardised.count)))
    let least = standardised.sorted().prefix(count)
    return least.reduce(0) { $0 + Double($1) } / Double(max(1, least.count))
  }
}
