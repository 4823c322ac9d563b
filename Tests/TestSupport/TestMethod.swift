/// Methods of every kind, as tests train tiny models with them; `TrainingFixture.adaptation` says how.
package enum TestMethod: String, CaseIterable, Sendable {
  case full, sparse
  /// Shares of rows.
  case rows
  case lora
  /// With frozen A.
  case loraFA
  case lastLayers, norms, bias
  /// In the last block.
  case tinyTL
  /// Beside the last block.
  case ladder
  case head
  /// The most frequent rows of the head.
  case headRows
}
