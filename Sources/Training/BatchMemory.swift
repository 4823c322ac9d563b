import Datasets
import Execution

/// The memory of one micro-batch, window after window, each [windows · tokens].
package struct BatchMemory {
  /// Token ids.
  package let tokens: UnsafeMutableBufferPointer<Int32>
  /// The ids to predict; −1: not scored.
  package let targets: UnsafeMutableBufferPointer<Int32>
  /// Where each token's document begins in its window.
  package let starts: UnsafeMutableBufferPointer<Int32>

  /// The inputs of a step; programs of one arena have them in the same places.
  ///
  /// - Parameter prefix: the program that reads tokens in place of the step, if there is one.
  /// - Throws: `ExecutionError.portMissing` if the programs take no such batch.
  package init(_ step: BoundProgram, below prefix: BoundProgram?) throws(ExecutionError) {
    tokens = try (prefix ?? step).memory(of: .tokens)
    targets = try step.memory(of: .targets)
    starts = try (prefix ?? step).memory(of: .documentStarts)
  }
}

extension BatchMemory {
  /// Writes one window into row `row` of the batch.
  package func fill(row: Int, tokens: Int, from text: TokenStream, window: Int) {
    let range = row * tokens..<(row + 1) * tokens
    text.fill(
      window: window, inputs: .init(rebasing: self.tokens[range]),
      targets: .init(rebasing: targets[range]), documentStarts: .init(rebasing: starts[range]))
  }

  /// Writes given ids into row `row` of the batch.
  package func fill(row: Int, tokens: [Int32], targets: [Int32], starts: [Int32]) {
    precondition(
      tokens.count == targets.count && tokens.count == starts.count,
      "\(tokens.count) tokens, \(targets.count) targets, \(starts.count) starts")
    let range = row * tokens.count..<(row + 1) * tokens.count
    _ = UnsafeMutableBufferPointer(rebasing: self.tokens[range]).update(fromContentsOf: tokens)
    _ = UnsafeMutableBufferPointer(rebasing: self.targets[range]).update(fromContentsOf: targets)
    _ = UnsafeMutableBufferPointer(rebasing: self.starts[range]).update(fromContentsOf: starts)
  }

  /// Makes row `row` count for nothing.
  package func clear(row: Int, tokens: Int) {
    let range = row * tokens..<(row + 1) * tokens
    UnsafeMutableBufferPointer(rebasing: self.tokens[range]).update(repeating: 0)
    UnsafeMutableBufferPointer(rebasing: targets[range]).update(repeating: -1)
    UnsafeMutableBufferPointer(rebasing: starts[range]).update(repeating: 0)
  }
}
