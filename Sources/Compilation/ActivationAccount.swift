import Graphs
import Operations
import Programs
import Tensors

/// Bytes of the activations that a step's forward pass keeps for its backward pass, by what they are.
///
/// What is computed again in the backward pass isn't kept, and what only the forward pass reads
/// isn't either. All of them live at once at the end of the forward pass; the arena's fullest moment
/// may be another (`MemoryPlan`).
public struct ActivationAccount: Hashable, Sendable {
  /// What an activation is.
  public enum Part: String, CaseIterable, Sendable {
    /// The residual stream between blocks' parts.
    case residual
    /// What norms give, and the factors that their gradients need.
    case norms
    /// Queries, keys and values, before and behind rotary positions, and what attention gives.
    case attention
    /// Gate and up of gated MLPs, and their product.
    case mlp
    /// Inputs of linear maps that only the gradients of their weights read.
    case trainedInputs = "trained_inputs"
    /// What methods compute beside the model's own maps.
    case branches
    /// The output head's.
    case head
  }

  private var bytes: [Part: Int] = [:]

  public subscript(part: Part) -> Int { bytes[part] ?? 0 }

  /// All of it, in bytes.
  public var total: Int { bytes.values.reduce(0, +) }

  /// Nothing is kept.
  public init() {}

  /// - Parameter graph: a step as it will be lowered.
  init(_ graph: Graph) {
    let readers = graph.readers()
    func add(_ value: ValueID, _ part: Part) {
      let later = readers[value.index].map { graph.nodes[$0] }.filter { $0.phase != .forward }
      guard !later.isEmpty else { return }
      let isInput = later.allSatisfy { $0.operation is LinearWeightGradient }
      bytes[isInput ? .trainedInputs : part, default: 0] += graph.type(of: value).byteCount
    }
    for index in graph.values.indices {
      let value = ValueID(index)
      guard case .input = graph[value].source, graph.type(of: value).shape.rank == 2 else {
        continue
      }
      add(value, .residual)
    }
    let parts = graph.activationParts()
    for node in graph.nodes where node.phase == .forward {
      for value in node.results { add(value, parts[value] ?? .residual) }
    }
  }
}

extension Node {
  /// The value that a matmul adds its product to; nil for other nodes.
  fileprivate var initialValue: ValueID? {
    (operation as? Linear)?.accumulates == true ? operands.last : nil
  }
}

extension Graph {
  /// What each result of the forward pass is.
  func activationParts() -> [ValueID: ActivationAccount.Part] {
    var parts: [ValueID: ActivationAccount.Part] = [:]
    for node in nodes where node.phase == .forward {
      // A product that adds to a value goes on with that value: a branch's last one gives what the map
      // beside it would give alone. A rounded value is what it was.
      let before = node.operation is ToRowBytes ? node.operands[0] : node.initialValue
      let part = before.map { parts[$0] ?? .residual } ?? part(of: node)
      for value in node.results { parts[value] = part }
    }
    return parts
  }

  /// What a forward node gives.
  fileprivate func part(of node: Node) -> ActivationAccount.Part {
    switch node.operation {
    case is HeadLoss: return .head
    case let norm as RMSNorm: return norm.isPerHead ? .attention : .norms
    case is Attention, is Rotary: return .attention
    case is GatedActivation: return .mlp
    case is Linear:
      guard case .parameter(let weight) = self[node.operands[1]].source,
        let role = ParameterPath(weight.path)?.role
      else { return .residual }
      switch LinearKind.allCases.first(where: { role == .linear($0) }) {
      case .query, .key, .value: return .attention
      case .gate, .up: return .mlp
      case .output, .down: return .residual
      case nil: return .branches
      }
    default: return .residual
    }
  }
}
