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

/// What a graph's node computes: the type rule, its cost, and what passes may do with it.
///
/// The rules live with the operation (one file each in `Operations`), the engine knows none of them.
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
  /// Cheaper to compute again in the backward pass than to keep (bytes moved, no products).
  var isCheap: Bool { get }
}

extension Operation {
  public var attributes: [(String, String)] { [] }
  public func flops(_ operands: [TensorType]) -> Int { 0 }
  public var mutatedOperands: [Int] { [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { [] }
  public var isCheap: Bool { false }
}

/// An operation that gradients can flow through.
public protocol DifferentiableOperation: Operation {
  /// Emits what computes the wanted operands' gradients into `graph` (phase `backward`).
  ///
  /// - Parameters:
  ///   - node: the forward node.
  ///   - gradients: one per result; nil where nothing flows back.
  ///   - wanted: one per operand; gradients of others are not emitted.
  /// - Returns: one per operand, nil where not wanted.
  func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?]
}

/// One of the values that a node reads or makes, by its number.
public enum NodePlace: Hashable, Sendable {
  case operand(Int)
  case result(Int)
}

/// An operation with kernels for bf16 values.
public protocol BF16Operation: Operation {
  /// Values that may be bf16 as well as f32, in groups whose values have one type.
  var bf16Groups: [[NodePlace]] { get }
  /// Operands of products: they are bf16 where products are.
  var productOperands: [Int] { get }
  /// The type of results that does not follow from the operands'; operations without any ignore it.
  var resultType: ElementType { get set }
}

extension BF16Operation {
  public var productOperands: [Int] { [] }
  public var resultType: ElementType {
    get { .f32 }
    set {}
  }
}

/// An operation whose products with frozen int8 weights can multiply integers.
public protocol QuantisingOperation: Operation {
  /// Whether rows of its input are quantised for that.
  var quantises: Bool { get set }
  /// Whether they may be.
  var canQuantise: Bool { get }
}

extension QuantisingOperation {
  public var canQuantise: Bool { true }
}

/// An operation that can add to an existing value instead of making a new one.
public protocol AccumulatingOperation: Operation {
  /// Whether there is one more operand, last, to whose value the first result is added.
  var accumulates: Bool { get set }
}

extension AccumulatingOperation {
  /// The same operation adding to one more operand; nil if it does so already.
  public func accumulating() -> Self? {
    guard !accumulates else { return nil }
    var copy = self
    copy.accumulates = true
    return copy
  }
}
