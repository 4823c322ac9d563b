import Tensors

/// A named input or output of a program: a name and the type of its elements. A program's own ports
/// are `ProgramPort`s; binding the program resolves ports to memory.
public struct Port<Element: PortElement>: Hashable, Sendable {
  public let name: String

  public init(_ name: String) { self.name = name }
}

/// A type that the elements of a port's memory can have.
public protocol PortElement: BitwiseCopyable, Sendable {
  /// The element type of buffers that hold such elements.
  static var elementType: ElementType { get }
}

extension Float: PortElement {
  public static var elementType: ElementType { .f32 }
}

extension Int32: PortElement {
  public static var elementType: ElementType { .int32 }
}

/// Sums in double precision; their buffers count two floats for each.
extension Double: PortElement {
  public static var elementType: ElementType { .f32 }
}

// Letters: N tokens of a micro-batch, D width, V vocabulary.

extension Port where Element == Int32 {
  /// Token ids, [N].
  public static var tokens: Port { Port("tokens") }
  /// The ids to predict, [N]; −1: not scored.
  public static var targets: Port { Port("targets") }
  /// Where each token's document begins in its window, [N].
  public static var documentStarts: Port { Port("document_starts") }
  /// The position of the first new token behind a key/value cache, [1].
  public static var position: Port { Port("position") }
}

extension Port where Element == Float {
  /// The residual stream at the block where a forward pass is split, [N, D]: an output of the lower
  /// part, an input of the upper one.
  public static var prefix: Port { Port("prefix") }
  /// The residual stream behind a block below that place, [N, D]: written by the lower part, an input
  /// of an upper one that reads it.
  public static func stream(behind block: Int) -> Port { Port("stream[\(block)]") }
  /// The weight of every token's loss, [1].
  public static var lossScale: Port { Port("loss_scale") }
  /// Per-step numbers for the updates, and the gradient norm that clipping writes, [8].
  public static var hyper: Port { Port("hyper") }
  /// Losses in nats, [N].
  public static var loss: Port { Port("loss") }
  /// Logits, [rows, V].
  public static var logits: Port { Port("logits") }
  /// Not 0 for the first of the micro-batches that gradients are scored on, [1].
  public static var recordSigns: Port { Port("record_signs") }
  /// The largest magnitude of each column of matmuls' inputs, one matmul's after the other's.
  public static var inputMagnitudes: Port { Port("input_magnitudes") }
}

extension Port where Element == Double {
  /// Partial sums of gradients' scores, [slots, parts, scores].
  public static var gradientScores: Port { Port("gradient_scores") }
  /// Partial sums of what quantising matmuls' inputs would cost, [slots, parts].
  public static var quantisationErrors: Port { Port("quantisation_errors") }
}

/// Who writes a port's memory.
public enum PortRole: String, Codable, Sendable, CaseIterable {
  /// The caller, before the program runs.
  case input
  /// The program.
  case output
}

/// A port of one program.
public struct ProgramPort: Hashable, Codable, Sendable {
  public var name: String
  public var role: PortRole
  public var elementType: ElementType
  /// The index of its buffer in `Program.buffers`.
  public var buffer: Int

  public init(name: String, role: PortRole, elementType: ElementType, buffer: Int) {
    self.name = name
    self.role = role
    self.elementType = elementType
    self.buffer = buffer
  }
}
