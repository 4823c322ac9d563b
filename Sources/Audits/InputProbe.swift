import Compilation
import Execution
import Graphs
import Models
import Programs
import Runs
import Tensors
import Weights

/// What a matrix of the base reads at the last token of short sequences.
final class InputProbe {
  /// Tokens of a sequence.
  let tokens: Int
  private let sequences: Int
  private let width: Int
  private let bound: BoundProgram
  private let ids: UnsafeMutableBufferPointer<Int32>
  private let starts: UnsafeMutableBufferPointer<Int32>
  private let output: UnsafeMutableBufferPointer<Float>

  /// Compiles the base's forward pass up to the matrix, in f32.
  ///
  /// - Parameters:
  ///   - reader: the matrix's path.
  ///   - tokens: the length of each sequence.
  init(_ base: LoadedModel, reader: String, tokens: Int) throws(AuditError) {
    self.tokens = tokens
    sequences = max(1, 512 / tokens)
    let weights = base.weights
    width = weights.configuration.width
    var graph = weights.configuration.model.traceLoss(
      batch: sequences, tokens: tokens, elementType: weights.elementType)
    guard let input = graph.input(of: reader) else {
      preconditionFailure("no node of the forward pass reads \(reader)")
    }
    graph.outputs.removeAll()
    graph.outputs.append((Port<Float>.prefix.name, input))
    do {
      var layout = PersistentLayout()
      let program = try InferenceCompiler(precision: .f32).compile(graph, layout: &layout).program
      bound = try BoundProgram(
        program, pool: base.pool, kernels: base.kernels, weights: weights)
      ids = try bound.memory(of: .tokens)
      // Without attention below the matrix, nobody asks where documents begin.
      starts =
        program.port(named: Port<Int32>.documentStarts.name) == nil
        ? UnsafeMutableBufferPointer(start: nil, count: 0)
        : try bound.memory(of: .documentStarts)
      output = try bound.memory(of: .prefix)
    } catch let error as GraphError {
      throw .graph(error)
    } catch let error as ExecutionError {
      throw .execution(error)
    } catch {
      preconditionFailure("\(error)")
    }
    bound.initialise(seed: 0)
    starts.update(repeating: 0)
  }

  /// The inputs at each sequence's last token, [sequences, width].
  ///
  /// - Parameter rows: sequences of at most `tokens` tokens, none empty.
  func inputs(_ rows: [[Int32]]) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(rows.count * width)
    for first in stride(from: 0, to: rows.count, by: sequences) {
      let batch = rows[first..<min(first + sequences, rows.count)]
      ids.update(repeating: 0)
      for (index, row) in batch.enumerated() {
        for (place, id) in row.enumerated() { ids[index * tokens + place] = id }
      }
      bound.run(.begin)
      bound.run(.body)
      for (index, row) in batch.enumerated() {
        let start = (index * tokens + row.count - 1) * width
        result += output[start..<start + width]
      }
    }
    return result
  }
}

extension Graph {
  /// What the node that multiplies by a parameter reads beside it.
  fileprivate func input(of path: String) -> ValueID? {
    for node in nodes {
      let reads = node.operands.contains { operand in
        if case .parameter(let parameter) = self[operand].source { return parameter.path == path }
        return false
      }
      if reads { return node.operands.first }
    }
    return nil
  }
}
