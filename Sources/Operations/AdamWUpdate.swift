import Graphs
import Programs
import Tensors

/// One AdamW update in place (Loshchilov & Hutter 2019, algorithm 2, as PyTorch orders it).
///
/// Operands: parameter, f32 or bf16, its gradient, first and second moment (all of one shape), the
/// moments' scales if they have any, hyper [8].
public struct AdamWUpdate: ElementwiseUpdate {
  public var betas: (Float, Float)
  public var epsilon: Float
  public var weightDecay: Float
  public var stateType: MomentType

  public init(
    betas: (Float, Float), epsilon: Float, weightDecay: Float, stateType: MomentType = .f32
  ) {
    self.stateType = stateType
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var name: String { "adamw" }
  public var mutatedOperands: [Int] { stateType.hasScales ? [0, 2, 3, 4, 5] : [0, 2, 3] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    let shape = operands[0].shape
    let state = stateType.types(of: shape)
    let states = [state.first, state.second] + (state.scales.map { [$0, $0] } ?? [])
    try TypeRule.count(operands, 3 + states.count)
    guard [.f32, .bf16].contains(operands[0].elementType) else {
      throw .operandType(index: 0, found: operands[0], expected: "f32 or bf16")
    }
    try TypeRule.require(operands, 1, TensorType(shape))
    for (index, type) in states.enumerated() { try TypeRule.require(operands, 2 + index, type) }
    try TypeRule.require(operands, 2 + states.count, TensorType([HyperSlot.count]))
    return []
  }

  public func flops(_ operands: [TensorType]) -> Int { 14 * operands[0].shape.count }

  public func lower(
    _ elements: Range<Int>, of place: UpdatePlace, into lowering: inout Lowering
  ) {
    let start = elements.lowerBound
    let moments: [BufferView] =
      switch stateType {
      case .f32: place.states[..<2].map { $0.advanced(by: start) }
      case .bf16: place.states[..<2].map { $0.advanced(by: start, of: .bf16) }
      case .int8: place.states[..<2].map { $0.advanced(byBytes: start) }
      case .int4:
        [place.states[0].advanced(byBytes: start / 2), place.states[1].advanced(byBytes: start)]
      }
    let scales = place.states[2...].map { $0.advanced(by: start / MomentType.block) }
    lowering.emit(
      "adamw_\(place.parameterType)_\(stateType)",
      [place.parameter.advanced(by: start, of: place.parameterType), place.gradient]
        + moments + [place.hyper] + scales,
      // Distinct per parameter and per part, so that no two are rounded with the same random bits.
      sizes: [lowering.node.id + start, elements.count],
      scalars: [betas.0, betas.1, epsilon, weightDecay],
      items: stateType.hasScales ? MomentType.blocks(elements.count) : elements.count,
      grain: stateType.hasScales ? Grain.elements / MomentType.block : Grain.elements)
  }
}
