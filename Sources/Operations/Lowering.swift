import Graphs
import Programs
import Tensors

/// An operation that can say which kernels compute it.
public protocol LowerableOperation: Operation {
  /// Bytes of scratch buffers in the arena that live for this node only (a chunk of logits).
  func temporaries(_ operands: [TensorType]) -> [Int]
  /// Emits the kernel calls of one node.
  func lower(into lowering: inout Lowering)
}

extension LowerableOperation {
  public func temporaries(_ operands: [TensorType]) -> [Int] { [] }
}

/// The state of lowering one node: where its operands and results are, and the calls so far.
public struct Lowering {
  public let node: Node
  public let operandTypes: [TensorType]
  public let resultTypes: [TensorType]
  public let operands: [BufferView]
  /// Row scales of int8 operands.
  public let scales: [BufferView?]
  public let results: [BufferView]
  public let temporaries: [BufferView]
  /// The phase of the next calls: the node's, unless the operation sets another one.
  public var phase: Phase
  public private(set) var calls: [KernelCall] = []

  public init(
    node: Node, operandTypes: [TensorType], resultTypes: [TensorType], operands: [BufferView],
    scales: [BufferView?], results: [BufferView], temporaries: [BufferView]
  ) {
    self.node = node
    self.operandTypes = operandTypes
    self.resultTypes = resultTypes
    self.operands = operands
    self.scales = scales
    self.results = results
    self.temporaries = temporaries
    phase = node.phase
  }

  /// Appends a kernel call with the current phase and the node's part of the step.
  public mutating func emit(
    _ kernel: String, _ buffers: [BufferView?], sizes: [Int] = [], scalars: [Float] = [],
    multiplies: MatmulOperand = .f32, items: Int, grain: Int = 1, slices: Int = 1,
    scratchBytes: Int = 0, flops: Int = 0
  ) {
    guard items > 0 else { return }
    calls.append(
      KernelCall(
        kernel: kernel, buffers: buffers, sizes: sizes, scalars: scalars, multiplies: multiplies,
        items: items, grain: grain, slices: slices, scratchBytes: scratchBytes, flops: flops,
        phase: phase, part: node.part))
  }

  /// Appends a matmul with the current phase and the node's part of the step.
  ///
  /// - Parameter buffers: as `MatrixProduct.buffers` orders them.
  public mutating func emit(_ product: MatrixProduct, _ buffers: [BufferView?]) {
    guard product.items > 0 else { return }
    calls.append(KernelCall(product, buffers: buffers, phase: phase, part: node.part))
  }

  /// Copies the value to accumulate on, of the result's type, into the result, unless both are the
  /// same memory.
  public mutating func copyInitial(_ initial: BufferView, to result: BufferView) {
    guard initial != result else { return }
    let words = (resultTypes[0].byteCount + 3) / 4
    emit("copy", [initial, result], items: words, grain: Grain.elements)
  }
}

/// Smallest ranges worth a thread of their own, in work items.
public enum Grain {
  /// Elementwise work.
  public static let elements = 4096
  /// Columns of a matmul or a column sum: whole vector registers.
  public static let columns = 16
  /// Rows of a matmul.
  public static let rows = 16
}

/// Checks shared by the type rules of operations.
enum TypeRule {
  static func count(_ operands: [TensorType], _ expected: Int) throws(GraphError) {
    guard operands.count == expected else {
      throw .operandCount(found: operands.count, expected: "\(expected)")
    }
  }

  static func require(
    _ operands: [TensorType], _ index: Int, _ expected: TensorType
  ) throws(GraphError) {
    guard operands[index] == expected else {
      throw .operandType(index: index, found: operands[index], expected: "\(expected)")
    }
  }

  static func matrix(
    _ operands: [TensorType], _ index: Int, columns: Int? = nil, weight: Bool = false,
    bf16: Bool = false
  ) throws(GraphError) {
    let type = operands[index]
    let element =
      type.elementType == .f32 || (weight && type.elementType != .int32)
      || (bf16 && type.elementType == .bf16)
    guard type.shape.rank == 2, element, columns == nil || type.shape.columns == columns else {
      let width = columns.map(String.init) ?? "n"
      throw .operandType(index: index, found: type, expected: "a matrix [m, \(width)]")
    }
  }
}

/// An operation whose weight may come in parts of consecutive rows.
public protocol PartitionedOperation: Operation {
  /// The same operation with one more part of its weight.
  func withOneMorePart() -> any Operation
}
