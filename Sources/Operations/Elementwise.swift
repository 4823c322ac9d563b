import Graphs
import Programs
import Tensors

/// Sum of two values of one type: c = a + b. Pullback: both get dc.
public struct Add: DifferentiableOperation, LowerableOperation {
  public init() {}

  public var name: String { "add" }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0), (1, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.require(operands, 1, operands[0])
    return [operands[0]]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    wanted.map { $0 ? gradients[0] : nil }
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      lowering.operandTypes[0].elementType == .bf16 ? "add_bf16" : "add",
      lowering.operands + lowering.results, items: lowering.operandTypes[0].shape.count,
      grain: Grain.elements)
  }
}

extension Add: SumOperation {
  public var terms: [(initial: Int, term: Int)] { [(0, 1), (1, 0)] }
  public var addsInPlace: Bool { false }
}

extension Add: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0), .operand(1), .result(0)]] }
}

/// A value times a constant: y = factor · x. Operand: x, f32. Result: y, the same shape.
/// Pullback: dx = factor · dy.
public struct Scale: DifferentiableOperation, LowerableOperation {
  public var factor: Float

  public init(_ factor: Float) { self.factor = factor }

  public var name: String { "scale" }
  public var attributes: [(String, String)] { [("factor", "\(factor)")] }
  public var isCheap: Bool { true }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1)
    try TypeRule.require(operands, 0, TensorType(operands[0].shape))
    return operands
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    guard wanted[0], let dy = gradients[0] else { return [nil] }
    return [graph.add(self, [dy], phase: .backward)[0]]
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "scale", lowering.operands + lowering.results, scalars: [factor],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

/// The value rounded to bf16. Operand: any value in f32. Result: the same shape in bf16.
public struct ToBF16: LowerableOperation {
  public init() {}

  public var name: String { "to_bf16" }
  public var isCheap: Bool { true }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1)
    return [TensorType(operands[0].shape, .bf16)]
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "to_bf16", lowering.operands + lowering.results, items: lowering.operandTypes[0].shape.count,
      grain: Grain.elements)
  }
}

/// A bf16 value as f32. Operand: any value in bf16. Result: the same shape in f32.
public struct ToF32: LowerableOperation {
  public init() {}

  public var name: String { "to_f32" }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1)
    guard operands[0].elementType == .bf16 else {
      throw .operandType(index: 0, found: operands[0], expected: "bf16")
    }
    return [TensorType(operands[0].shape)]
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "to_f32", lowering.operands + lowering.results, items: lowering.operandTypes[0].shape.count,
      grain: Grain.elements)
  }
}

/// Adds a micro-batch's gradient to its accumulator: a += g. Operands: a (overwritten), g.
public struct AccumulateGradient: LowerableOperation {
  public init() {}

  public var name: String { "accumulate_gradient" }
  public var mutatedOperands: [Int] { [0] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.require(operands, 1, operands[0])
    return []
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "add", lowering.operands + [lowering.operands[0]],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

extension AccumulateGradient: SumOperation {
  public var terms: [(initial: Int, term: Int)] { [(0, 1)] }
  public var addsInPlace: Bool { true }
}

/// Writes a value over another one: a ← x. Operands: a (overwritten), x, f32.
public struct Overwrite: LowerableOperation {
  public init() {}

  public var name: String { "overwrite" }
  public var mutatedOperands: [Int] { [0] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.require(operands, 0, TensorType(operands[0].shape))
    try TypeRule.require(operands, 1, operands[0])
    return []
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "copy", [lowering.operands[1], lowering.operands[0]],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

/// Sets a value to zero. Operand: the value (overwritten).
public struct Clear: LowerableOperation {
  public init() {}

  public var name: String { "clear" }
  public var mutatedOperands: [Int] { [0] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1)
    return []
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "fill", lowering.operands, scalars: [0], items: lowering.operandTypes[0].shape.count,
      grain: Grain.elements)
  }
}
