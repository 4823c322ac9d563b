import Graphs
import Programs
import Tensors

extension Activation {
  /// What the operation of a gate, and its kernels, are called.
  var operationName: String {
    switch self {
    case .silu: "swiglu"
    case .geluTanh: "geglu"
    }
  }
}

/// Gated activation of the MLP (Shazeer 2020, eq. 5): s = f(g) · u, f being silu or gelu.
///
/// Operands: g, u [N, H]. Result: s [N, H].
/// Pullback: dg = ds·u·f'(g), du = ds·f(g), recomputed from g and u.
public struct GatedActivation: DifferentiableOperation, LowerableOperation {
  public var activation: Activation

  public init(_ activation: Activation) { self.activation = activation }

  public var name: String { activation.operationName }
  public var isCheap: Bool { true }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0), (1, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.require(operands, 1, operands[0])
    return [operands[0]]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    guard let ds = gradients[0] else { return [nil, nil] }
    let operation = GatedActivationGradient(
      activation, wantsGate: wanted[0], wantsUp: wanted[1])
    let results = graph.add(operation, node.operands + [ds], phase: .backward)
    return [wanted[0] ? results.first : nil, wanted[1] ? results.last : nil]
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      lowering.operandTypes[0].elementType == .bf16 ? name + "_bf16" : name,
      [lowering.operands[0], lowering.operands[1], lowering.results[0]],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

/// The gradient of `GatedActivation`. Operands: g, u, ds [N, H]. Results: dg and du as wanted, in
/// this order.
public struct GatedActivationGradient: LowerableOperation {
  public var activation: Activation
  public var wantsGate: Bool
  public var wantsUp: Bool

  public init(_ activation: Activation, wantsGate: Bool, wantsUp: Bool) {
    self.activation = activation
    self.wantsGate = wantsGate
    self.wantsUp = wantsUp
  }

  public var name: String { activation.operationName + "_gradient" }
  public var inPlacePairs: [(operand: Int, result: Int)] {
    wantsGate && wantsUp ? [(0, 0), (1, 1)] : [(2, 0)]
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 3)
    try TypeRule.require(operands, 1, operands[0])
    try TypeRule.require(operands, 2, operands[0])
    return Array(repeating: operands[0], count: (wantsGate ? 1 : 0) + (wantsUp ? 1 : 0))
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      lowering.operandTypes[0].elementType == .bf16 ? name + "_bf16" : name,
      lowering.operands + [
        wantsGate ? lowering.results.first : nil, wantsUp ? lowering.results.last : nil,
      ],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

extension GatedActivation: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0), .operand(1), .result(0)]] }
}

extension GatedActivationGradient: BF16Operation {
  public var bf16Groups: [[NodePlace]] {
    let results = 0..<(wantsGate ? 1 : 0) + (wantsUp ? 1 : 0)
    return [[.operand(0), .operand(1), .operand(2)] + results.map { .result($0) }]
  }
}
