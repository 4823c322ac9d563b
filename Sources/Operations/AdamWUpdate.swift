import Graphs
import Programs
import Tensors

/// One AdamW update in place (Loshchilov & Hutter 2019, algorithm 2, as PyTorch orders it).
///
/// Operands: parameter, f32, bf16 or int8, its gradient, first and second moment (all of one
/// shape), the moments' scales if they have any, hyper [8]. The gradient of a parameter in int8 is
/// overwritten with the direction of its step.
public struct AdamWUpdate: ElementwiseUpdate {
  public var betas: (Float, Float)
  public var epsilon: Float
  public var weightDecay: Float
  public var stateType: MomentType
  /// How a parameter in int8 takes its step; nil for one in f32 or bf16.
  public var integerStep: IntegerStep?

  public init(
    betas: (Float, Float), epsilon: Float, weightDecay: Float, stateType: MomentType = .f32,
    integerStep: IntegerStep? = nil
  ) {
    self.integerStep = integerStep
    self.stateType = stateType
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var name: String { "adamw" }
  public var mutatedOperands: [Int] {
    (integerStep == nil ? [0] : [0, 1]) + (stateType.hasScales ? [2, 3, 4, 5] : [2, 3])
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    let shape = operands[0].shape
    let state = stateType.types(of: shape)
    let states = [state.first, state.second] + (state.scales.map { [$0, $0] } ?? [])
    try TypeRule.count(operands, 3 + states.count)
    let types: [ElementType] = integerStep == nil ? [.f32, .bf16] : [.int8]
    guard types.contains(operands[0].elementType) else {
      let expected = types.map(\.rawValue).joined(separator: " or ")
      throw .operandType(index: 0, found: operands[0], expected: expected)
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
    // What the kernel changes beside the moments: the parameter, or the gradient to the direction.
    let (kernel, target) =
      integerStep == nil
      ? (
        "adamw_\(place.parameterType)_\(stateType)",
        place.parameter.advanced(by: start, of: place.parameterType)
      ) : ("adamw_direction_\(stateType)", place.gradient)
    lowering.emit(
      kernel, [target, place.gradient] + moments + [place.hyper] + scales,
      // Distinct per parameter and per part, so that no two are rounded with the same random bits.
      sizes: [lowering.node.id + start, elements.count],
      scalars: [betas.0, betas.1, epsilon] + (integerStep == nil ? [weightDecay] : []),
      items: stateType.hasScales ? MomentType.blocks(elements.count) : elements.count,
      grain: stateType.hasScales ? Grain.elements / MomentType.block : Grain.elements)
    if let integerStep {
      lowering.emit(integerStep, elements, of: place, weightDecay: weightDecay, clips: false)
    }
  }
}
