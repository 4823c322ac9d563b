import Programs
import Tensors

/// Why a graph is not well-formed.
public enum GraphError: Error, Equatable, CustomStringConvertible {
  case operandCount(found: Int, expected: String)
  case operandType(index: Int, found: TensorType, expected: String)
  case invalid(node: String, problem: String)

  public var description: String {
    switch self {
    case .operandCount(let found, let expected): "has \(found) operands, expected \(expected)"
    case .operandType(let index, let found, let expected):
      "operand \(index) is \(found), expected \(expected)"
    case .invalid(let node, let problem): "node \(node): \(problem)"
    }
  }
}

/// What a graph's node computes: its type rule, its cost, and which rewrites the compiler may
/// apply.
///
/// The rules live with the operation (one file each in `Operations`); the engine knows none of
/// them.
public protocol Operation: Sendable {
  /// The operation's name in printed graphs.
  var name: String { get }
  /// Attributes for printed graphs, in order.
  var attributes: [(String, String)] { get }
  /// Types of the results for these operands.
  func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType]
  /// Floating-point operations, a multiply-add counted as two.
  func flops(_ operands: [TensorType]) -> Int
  /// Operands that are overwritten.
  var mutatedOperands: [Int] { get }
  /// Results that may take the place of an operand if nothing reads that operand afterwards.
  var inPlacePairs: [(operand: Int, result: Int)] { get }
  /// Cheaper to recompute in the backward pass than to keep: it moves bytes but has no matmuls.
  var isCheap: Bool { get }
  /// Whether it may be computed again in the backward pass from stored values, to save its results'
  /// memory.
  var isRecomputable: Bool { get }
  /// A linear map of a value by a weight, as methods and the analysis count a model's depth.
  var isLinearMap: Bool { get }
  /// Reads of its tables only the rows that ids name.
  var isLookup: Bool { get }
}

extension Operation {
  public var attributes: [(String, String)] { [] }
  public func flops(_ operands: [TensorType]) -> Int { 0 }
  public var mutatedOperands: [Int] { [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { [] }
  public var isCheap: Bool { false }
  public var isRecomputable: Bool { isCheap }
  public var isLinearMap: Bool { false }
  public var isLookup: Bool { false }
}

/// An operation that gradients can flow through.
public protocol DifferentiableOperation: Operation {
  /// Emits the nodes that compute the wanted operands' gradients into `graph` (phase `backward`).
  ///
  /// - Parameters:
  ///   - node: the forward node.
  ///   - gradients: one per result; nil for a result that has no gradient.
  ///   - wanted: one per operand: whether to emit its gradient.
  /// - Returns: one per operand, nil where not wanted.
  func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?]
}

/// An operand or a result of a node, by its index.
public enum NodePlace: Hashable, Sendable {
  case operand(Int)
  case result(Int)
}

/// An operation with kernels for bf16 values.
public protocol BF16Operation: Operation {
  /// Values that may be bf16 or f32, in groups; all values of a group have the same type.
  var bf16Groups: [[NodePlace]] { get }
  /// Operands of matmuls: they are bf16 where the step's matmuls multiply bf16.
  var productOperands: [Int] { get }
  /// The element type of results whose type does not follow from the operands'; ignored by
  /// operations that have no such result.
  var resultType: ElementType { get set }
}

extension BF16Operation {
  public var productOperands: [Int] { [] }
  public var resultType: ElementType {
    get { .f32 }
    set {}
  }
}

/// An operation whose matmuls with stored weights can multiply integers.
public protocol QuantisingOperation: Operation {
  /// Whether rows of its input are quantised so that the matmul multiplies integers.
  var quantises: Bool { get set }
  /// Whether its input rows may be quantised.
  var canQuantise: Bool { get }
}

extension QuantisingOperation {
  public var canQuantise: Bool { true }
}

/// An operation that can add to an existing value instead of making a new one.
public protocol AccumulatingOperation: Operation {
  /// Whether the last operand is an extra one, a value to which the first result is added.
  var accumulates: Bool { get set }
}

extension AccumulatingOperation {
  /// The same operation with one more operand that it adds to; nil if it already accumulates.
  public func accumulating() -> Self? {
    guard !accumulates else { return nil }
    var copy = self
    copy.accumulates = true
    return copy
  }
}

/// A sum, which the compiler fuses with the matmul that produces one of its terms.
public protocol SumOperation: Operation {
  /// Which operand may be the matmul's result (`term`), and which it is then added to (`initial`).
  var terms: [(initial: Int, term: Int)] { get }
  /// Whether the sum overwrites the value that it adds to.
  var addsInPlace: Bool { get }
}

/// A forward operation whose gradient can be computed in the same pass over its operands.
public protocol MergingOperation: Operation {
  /// This forward operation and the gradient of it as one operation; nil if they can't be merged.
  func merged(with gradient: any Operation) -> (any Operation)?
}

/// An operation that takes some rows of a frozen weight from an operand of their own.
public protocol RowSelectingOperation: Operation {
  /// Whether two more operands, ids int32 [R] and values [R, D], replace rows of its weight.
  var hasSelectedRows: Bool { get set }
}
