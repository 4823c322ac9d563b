/// What a trainer's work has taken so far, without the computing of frozen blocks: a cache holds
/// their outputs after the first time, so a text's next pass may be much faster than its first.
struct RunTimes {
  /// A step.
  var step = MeanTime()
  /// A window's forward pass in a step.
  var forward = MeanTime()
  /// A window's forward pass in a step of another trainer, its frozen blocks included.
  var earlier = MeanTime()
  /// A window that is scored.
  var scored = MeanTime()
  /// A delta or a state that is written.
  var written = MeanTime()

  /// Seconds to score a window; before the first, what a step's forward pass takes.
  var perScoredWindow: Double {
    ([scored, forward, earlier].first { $0.count > 0 } ?? scored).mean
  }
}
