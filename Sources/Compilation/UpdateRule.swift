import Graphs
import Operations
import Programs
import Tensors

/// An optimizer as the compiler sees it: state per parameter and one update node.
public protocol UpdateRule: Sendable {
  /// How trained matrices are kept: f32, or bf16 if the update can round at random.
  var parameterType: ElementType { get }
  /// Names and types of the state tensors that a parameter of that shape needs.
  func states(of shape: Shape) -> [(name: String, type: TensorType)]
  /// The in-place update. Its operands: parameter, gradient, the states, hyper [8].
  var update: any Operation { get }
}

extension UpdateRule {
  public var parameterType: ElementType { .f32 }
}

/// What happens to gradients between the backward pass and the updates.
public struct UpdatePolicy: Sendable {
  public var rule: any UpdateRule
  /// The largest gradient norm left alone; nil never clips, and lets an update follow its gradient
  /// at once.
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
    let stage: Stage = policy.accumulation > 1 ? .finish : .body
    let updateStage: Stage = policy.clipNorm != nil ? .finish : stage
    var begin: [Node] = []
    var finish: [Node] = []
    func place(_ node: Node) {
      switch node.stage {
      case .begin: begin.append(node)
      case .body: nodes.append(node)
      case .finish: finish.append(node)
      }
    }
    for (slot, item) in trained.enumerated() {
      guard var gradient = gradients[item.value] else { continue }
      if policy.accumulation > 1 {
        let accumulator = addSource(
          .state(item.parameter.name + ".gradient", .gradient, .zeros), type(of: gradient))
        place(makeNode(Clear(), [accumulator], phase: .backward, stage: .begin))
        place(makeNode(AccumulateGradient(), [accumulator, gradient], phase: .backward))
        gradient = accumulator
      }
      place(makeNode(SquaredNorm(slot: slot), [gradient, table], phase: .update, stage: stage))
      let states = policy.rule.states(of: type(of: item.value).shape).map { state in
        addSource(.state("\(item.parameter.name).\(state.name)", .optimizer, .zeros), state.type)
      }
      let operands = [item.value, gradient] + states + [hyper]
      place(makeNode(policy.rule.update, operands, phase: .update, stage: updateStage))
    }
    if !trained.isEmpty {
      let limit = Float(policy.clipNorm ?? 0)
      let clip = makeNode(ClipScale(limit: limit), [table, hyper], phase: .update, stage: .finish)
      let firstUpdate = finish.firstIndex { !($0.operation is SquaredNorm) } ?? finish.count
      let norms = finish.filter { $0.operation is SquaredNorm }
      let updates = finish[firstUpdate...].filter { !($0.operation is SquaredNorm) }
      finish = norms + [clip] + updates
    }
    nodes = begin + nodes + finish
  }
}
