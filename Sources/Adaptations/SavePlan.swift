import Graphs
import Programs
import Tensors

/// Which of a method's trained parameters go into a delta, and in which encoding.
///
/// Parameters are identified by `Parameter.name`, which is also the name of their buffers in a
/// program. Every trained parameter is claimed by exactly one change.
public struct SavePlan: Hashable, Sendable {
  /// How a tensor has changed.
  public enum Content: Hashable, Sendable {
    /// New rows of the tensor: runs of consecutive rows, concatenated in the parameter.
    case rows(runs: [Range<Int>], parameter: String)
    /// new = base + scale · B·A, A [rank, in], B [out, rank] (Hu et al. 2021).
    case lowRank(a: String, b: String, rank: Int, scale: Double)
    /// More hidden units of a block's gated MLP: gate and up [count, D], down [D, count].
    case hiddenUnits(count: Int, gate: String, up: String, down: String)
    /// A whole tensor that the base does not have.
    case tensor(Shape, parameter: String)
  }

  /// A change of one tensor.
  public struct Change: Hashable, Sendable {
    /// The path of the model's tensor, of the MLP that gets hidden units, or of the new tensor.
    public var tensor: String
    public var content: Content

    public init(tensor: String, content: Content) {
      self.tensor = tensor
      self.content = content
    }

    /// The parameters that the change is made of.
    public var parameters: [String] {
      switch content {
      case .rows(_, let parameter), .tensor(_, let parameter): [parameter]
      case .lowRank(let a, let b, _, _): [a, b]
      case .hiddenUnits(_, let gate, let up, let down): [gate, up, down]
      }
    }
  }

  public var changes: [Change]

  public init(_ changes: [Change] = []) { self.changes = changes }

  /// New rows of the model's own tensors, for every trained parameter initialised from such rows.
  public init(rowsOf graph: Graph) {
    changes = graph.parameters.compactMap { _, parameter in
      guard parameter.isTrained, let runs = parameter.initial.rowRuns else { return nil }
      return Change(
        tensor: parameter.path, content: .rows(runs: runs, parameter: parameter.name))
    }
  }

  /// A trained parameter of the graph that no change claims, or that several do, or what a change
  /// claims and the graph does not train; nil where all is as it should be.
  public func misclaimed(in graph: Graph) -> String? {
    let claims = Dictionary(changes.flatMap(\.parameters).map { ($0, 1) }, uniquingKeysWith: +)
    let trained = graph.parameters.filter(\.parameter.isTrained).map(\.parameter.name)
    return trained.first { claims[$0] != 1 }
      ?? Set(claims.keys).subtracting(trained + graph.drawnTensors).min()
  }
}

extension Graph {
  /// Names of tensors that a method draws and leaves as they are: a delta needs them beside those that
  /// train.
  fileprivate var drawnTensors: [String] {
    values.compactMap { value in
      if case .state(let name, .parameter, _) = value.source { name } else { nil }
    }
  }
}

extension InitialContents {
  /// The checkpoint rows that a parameter is initialised from, in order, as runs of consecutive
  /// rows; nil for other contents.
  var rowRuns: [Range<Int>]? {
    switch self {
    case .checkpoint(_, let rows): return [rows]
    case .checkpointRows(_, let ids):
      return ids.map(Int.init).reduce(into: []) { runs, id in
        if let last = runs.last, last.upperBound == id {
          runs[runs.count - 1] = last.lowerBound..<id + 1
        } else {
          runs.append(id..<id + 1)
        }
      }
    default: return nil
    }
  }
}
