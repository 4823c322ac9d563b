import Execution
import Graphs
import Operations
import Programs
import Tensors
import Testing

/// An operand of a gradient case: what the kernels read, and the same numbers for the plain loops.
struct CaseOperand: Sendable {
  var type: TensorType
  /// The numbers that the operand stands for; ids and positions as whole numbers.
  var values: [Double]
  /// As the kernels see it, int8 without its scales.
  var bytes: [UInt8]
  var scales: [Float] = []
  /// Gradients flow to it.
  var isDifferentiable: Bool

  static func float(_ shape: Shape, _ values: [Float], isDifferentiable: Bool = true) -> Self {
    CaseOperand(
      type: TensorType(shape), values: values.map(Double.init), bytes: Self.bytes(of: values),
      isDifferentiable: isDifferentiable)
  }

  static func integers(_ values: [Int32]) -> Self {
    CaseOperand(
      type: TensorType([values.count], .int32), values: values.map(Double.init),
      bytes: Self.bytes(of: values), isDifferentiable: false)
  }

  /// A frozen matrix in bf16.
  static func bf16(_ shape: Shape, _ values: [Float]) -> Self {
    let bits = values.map(bfloat16Bits)
    return CaseOperand(
      type: TensorType(shape, .bf16), values: bits.map { Double(Tensors.float(bfloat16Bits: $0)) },
      bytes: Self.bytes(of: bits), isDifferentiable: false)
  }

  /// A frozen matrix in int8, a scale per row.
  static func int8(_ shape: Shape, _ values: [Float]) -> Self {
    let columns = shape.columns
    let scales = (0..<shape[0]).map { row in
      max(1e-6, values[row * columns..<(row + 1) * columns].map(\.magnitude).max() ?? 0) / 127
    }
    let quantised = values.indices.map { Int8((values[$0] / scales[$0 / columns]).rounded()) }
    return CaseOperand(
      type: TensorType(shape, .int8),
      values: quantised.indices.map { Double(quantised[$0]) * Double(scales[$0 / columns]) },
      bytes: Self.bytes(of: quantised), scales: scales, isDifferentiable: false)
  }

  private static func bytes<Element>(of elements: [Element]) -> [UInt8] {
    elements.withUnsafeBytes { Array($0) }
  }
}

/// An expression, its operands, and the same forward pass as plain loops in Double.
struct GradientCase: Sendable, CustomTestStringConvertible {
  var name: String
  var operands: [CaseOperand]
  /// Adds the expression to a graph.
  var build: @Sendable (inout Graph, [ValueID]) -> ValueID
  /// The plain-loop forward pass.
  var forward: @Sendable ([[Double]]) -> [Double]
  /// One number weighs every element of the result (the loss scale).
  var hasScalarCotangent = false

  var testDescription: String { name }

  init(
    _ name: String, _ operands: [CaseOperand],
    build: @escaping @Sendable (inout Graph, [ValueID]) -> ValueID,
    forward: @escaping @Sendable ([[Double]]) -> [Double]
  ) {
    self.name = name
    self.operands = operands
    self.build = build
    self.forward = forward
  }

  init(
    _ name: String, _ operation: any Operation, _ operands: [CaseOperand],
    forward: @escaping @Sendable ([[Double]]) -> [Double]
  ) {
    self.init(
      name, operands, build: { graph, ids in graph.add(operation, ids)[0] }, forward: forward)
  }

  /// The operands that can be differentiated towards.
  var differentiable: [Int] { operands.indices.filter { operands[$0].isDifferentiable } }
}

extension RandomSource {
  mutating func normals(_ count: Int, scale: Double = 1) -> [Float] {
    (0..<count).map { _ in Float(normal() * scale) }
  }

  /// A differentiable operand of that shape.
  mutating func operand(_ shape: Shape, scale: Double = 1) -> CaseOperand {
    .float(shape, normals(shape.count, scale: scale))
  }
}
