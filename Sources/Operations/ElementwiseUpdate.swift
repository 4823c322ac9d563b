import Graphs
import Programs
import Tensors

/// An optimizer update that can process a matrix one range of elements at a time.
public protocol ElementwiseUpdate: LowerableOperation {
  /// Emits the update of a range of elements. The range starts at a multiple of 256, and consists
  /// of whole rows where the parameter is a matrix.
  func lower(_ elements: Range<Int>, of place: UpdatePlace, into lowering: inout Lowering)
}

/// Where an update's operands are.
public struct UpdatePlace {
  public var parameter: BufferView
  public var parameterType: ElementType
  /// The row scales of a parameter in int8, from the first row.
  public var parameterScales: BufferView?
  /// Elements of the parameter's rows.
  public var columns: Int
  /// The gradient, starting at the first element of the range to update.
  public var gradient: BufferView
  /// The optimizer's state tensors, each from its first element, not from the range's.
  public var states: [BufferView]
  public var hyper: BufferView
}

extension ElementwiseUpdate {
  /// All elements at once; operands: parameter, gradient, states, hyper.
  public func lower(into lowering: inout Lowering) {
    let (operands, type) = (lowering.operands, lowering.operandTypes[0])
    let place = UpdatePlace(
      parameter: operands[0], parameterType: type.elementType,
      parameterScales: lowering.scales[0], columns: type.shape.columns, gradient: operands[1],
      states: Array(operands[2..<operands.count - 1]), hyper: operands[operands.count - 1])
    lower(0..<type.shape.count, of: place, into: &lowering)
  }
}
