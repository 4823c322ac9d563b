import Tensors

/// Where a program takes numbers from whoever runs it, or leaves some: a name and the type of the
/// elements there. A program's own ports are `ProgramPort`s; binding it resolves these to memory.
public struct Port<Element: PortElement>: Hashable, Sendable {
  public let name: String

  public init(_ name: String) { self.name = name }
}

/// A type that elements of a port's memory have.
public protocol PortElement: BitwiseCopyable, Sendable {
  /// As what buffers of such elements are counted.
  static var elementType: ElementType { get }
}

extension Float: PortElement {
  public static var elementType: ElementType { .f32 }
}

extension Int32: PortElement {
  public static var elementType: ElementType { .int32 }
}

/// Sums in double precision, in buffers that are counted in floats, two for each.
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
  /// The position of the first token behind a cache, [1].
  public static var position: Port { Port("position") }
}

extension Port where Element == Float {
  /// The residual stream where a pass is cut in two, [N, D]: an output of the lower part, an input of
  /// the upper one.
  public static var prefix: Port { Port("prefix") }
  /// What every token's loss is weighted with, [1].
  public static var lossScale: Port { Port("loss_scale") }
  /// Numbers of a step for its updates, and the gradient's norm that clipping leaves, [8].
  public static var hyper: Port { Port("hyper") }
  /// Losses in nats, [N].
  public static var loss: Port { Port("loss") }
  /// [rows, V].
  public static var logits: Port { Port("logits") }
  /// Not 0 for the first of the micro-batches that gradients are scored over, [1].
  public static var recordSigns: Port { Port("record_signs") }
}

extension Port where Element == Double {
  /// Partial sums of gradients' scores, [slots, parts, scores].
  public static var gradientScores: Port { Port("gradient_scores") }
}

/// Who writes a port's memory.
public enum PortRole: String, Codable, Sendable, CaseIterable {
  /// Whoever runs the program, before it runs.
  case input
  /// The program.
  case output
}

/// A port of one program.
public struct ProgramPort: Hashable, Codable, Sendable {
  public var name: String
  public var role: PortRole
  public var elementType: ElementType
  /// The number of its buffer.
  public var buffer: Int

  public init(name: String, role: PortRole, elementType: ElementType, buffer: Int) {
    self.name = name
    self.role = role
    self.elementType = elementType
    self.buffer = buffer
  }
}
