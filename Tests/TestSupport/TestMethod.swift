/// Methods of every kind, as tests train tiny models with them; `TrainingFixture.adaptation` says how.
package enum TestMethod: String, CaseIterable, Sendable {
  case full, sparse
  /// Shares of rows.
  case rows
  case lora, lastLayers, norms
  case head
  /// The most frequent rows of the head.
  case headRows
}
