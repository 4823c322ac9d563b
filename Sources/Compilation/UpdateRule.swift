import Graphs
import Operations
import Programs
import Tensors

/// An optimizer as the compiler sees it: state per parameter and one update node.
public protocol UpdateRule: Sendable {
  /// How trained matrices are stored: f32, or bf16 or int8 if the update can round stochastically.
  var parameterType: ElementType { get }
  /// Names and types of the state tensors that a parameter of a type needs.
  func states(of type: TensorType) -> [(name: String, type: TensorType)]
  /// The in-place update of a parameter of a type. Its operands: parameter, gradient, the states,
  /// hyper [8].
  func update(of type: TensorType) -> any Operation
}

extension UpdateRule {
  public var parameterType: ElementType { .f32 }
}

/// What happens to gradients between the backward pass and the updates.
public struct UpdatePolicy: Sendable {
  public var rule: any UpdateRule
  /// Gradients with a norm up to this are not clipped; nil never clips, so that an update can
  /// directly follow its gradient.
  public var clipNorm: Double?
  /// Micro-batches per step.
  public var accumulation: Int

  public init(rule: any UpdateRule, clipNorm: Double?, accumulation: Int) {
    self.rule = rule
    self.clipNorm = clipNorm
    self.accumulation = accumulation
  }
}

extension Graph {
  /// Appends accumulation, gradient norm and update of every trained parameter.
  ///
  /// With one micro-batch and no clipping, updates belong to the body and can run as soon as their
  /// gradient is complete; otherwise they wait for the last micro-batch.
  package mutating func appendUpdates(_ gradients: [ValueID: ValueID], policy: UpdatePolicy) {
    let trained = parameters.filter { $0.parameter.isTrained && gradients[$0.value] != nil }
    let hyper = addInput(.hyper, [HyperSlot.count])
    let table = addSource(
      .state("squared_norms", .workspace, .zeros),
      TensorType([max(1, trained.count) * 2 * SquaredNorm.partials]))
    var begin: [Node] = []
    var finish: [Node] = []
    for (slot, item) in trained.enumerated() {
      guard let gradient = gradients[item.value] else { continue }
      let norm = NormSlot(table: table, number: slot)
      for node in updateNodes(of: item, gradient, norm, hyper, policy) {
        switch node.part {
        case .begin: begin.append(node)
        case .body: nodes.append(node)
        case .finish: finish.append(node)
        }
      }
    }
    if !trained.isEmpty {
      let limit = Float(policy.clipNorm ?? 0)
      let clip = makeNode(ClipScale(limit: limit), [table, hyper], phase: .update, part: .finish)
      let norms = finish.filter { $0.operation is SquaredNorm }
      finish = norms + [clip] + finish.filter { !($0.operation is SquaredNorm) }
    }
    nodes = begin + nodes + finish
  }

  /// Where a gradient's partial sums of squares go.
  private struct NormSlot {
    let table: ValueID
    let number: Int
  }

  /// The nodes that update one parameter: sums over micro-batches, norm, update.
  private mutating func updateNodes(
    of item: (value: ValueID, parameter: Parameter), _ gradient: ValueID, _ norm: NormSlot,
    _ hyper: ValueID, _ policy: UpdatePolicy
  ) -> [Node] {
    let part: StepPart = policy.accumulation > 1 ? .finish : .body
    var gradient = gradient
    var nodes: [Node] = []
    if policy.accumulation > 1 {
      let accumulator = addSource(
        .state(item.parameter.name + ".gradient", .gradient, .zeros), type(of: gradient))
      nodes.append(makeNode(Clear(), [accumulator], phase: .backward, part: .begin))
      nodes.append(makeNode(AccumulateGradient(), [accumulator, gradient], phase: .backward))
      gradient = accumulator
    }
    nodes.append(
      makeNode(
        SquaredNorm(slot: norm.number), [gradient, norm.table], phase: .update, part: part))
    let type = type(of: item.value)
    let states = policy.rule.states(of: type).map { state in
      addSource(.state("\(item.parameter.name).\(state.name)", .optimizer, .zeros), state.type)
    }
    nodes.append(
      makeNode(
        policy.rule.update(of: type), [item.value, gradient] + states + [hyper], phase: .update,
        part: policy.clipNorm != nil ? .finish : part))
    return nodes
  }
}
