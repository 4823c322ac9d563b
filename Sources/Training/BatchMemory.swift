import Datasets
import Execution

/// The memory of one micro-batch: three buffers [windows · tokens], one window after another.
package struct BatchMemory {
  /// Token ids.
  package let tokens: UnsafeMutableBufferPointer<Int32>
  /// Target ids; −1 where no target is scored.
  package let targets: UnsafeMutableBufferPointer<Int32>
  /// Where each token's document begins in its window.
  package let starts: UnsafeMutableBufferPointer<Int32>

  /// The input ports of a step; programs bound in one arena have them at the same addresses.
  ///
  /// - Parameter prefix: the program that reads the tokens in place of the step, if there is one.
  /// - Throws: `ExecutionError.portMissing` if a program lacks one of these input ports.
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

  /// Clears row `row`: token 0 everywhere and no scored target.
  package func clear(row: Int, tokens: Int) {
    let range = row * tokens..<(row + 1) * tokens
    UnsafeMutableBufferPointer(rebasing: self.tokens[range]).update(repeating: 0)
    UnsafeMutableBufferPointer(rebasing: targets[range]).update(repeating: -1)
    UnsafeMutableBufferPointer(rebasing: starts[range]).update(repeating: 0)
  }
}
