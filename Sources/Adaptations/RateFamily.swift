/// What trains, as far as its learning rate is concerned: a rate that is right for one family is far
/// from right for another.
public enum RateFamily: CaseIterable, Hashable, Sendable {
  /// Whole tensors, or rows of them.
  case tensors
  /// Low-rank factors.
  case factors
  /// Gains and biases.
  case vectors
  /// Hidden units with gains and biases, or a network beside the model.
  case units
}
