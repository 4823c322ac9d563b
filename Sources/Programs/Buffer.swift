import Tensors

/// What a buffer is for; memory plans report bytes by this.
public enum BufferKind: String, Codable, Sendable, CaseIterable {
  /// A frozen weight, read from the mapped checkpoint.
  case weight
  /// A trained parameter: a copy in the arena.
  case parameter
  /// Gradients of parameters.
  case gradient
  /// Moments and other optimizer state.
  case optimizer
  /// Values of the forward and backward passes.
  case activation
  /// Token ids, positions and scalars that the caller writes before a step.
  case input
  /// Tables that depend only on the configuration.
  case constant
  /// Scratch of one operation, dead when it ends.
  case workspace
}

/// Where a buffer's bytes are.
public enum BufferLocation: Hashable, Codable, Sendable {
  /// Bytes from the arena's start; 64-byte aligned.
  case arena(offset: Int)
  /// Bound by name before the program runs; never written by it unless it is a cache.
  case external
}

/// What a buffer holds before the first step.
public enum InitialContents: Hashable, Codable, Sendable {
  case undefined
  case zeros
  /// Rows of a checkpoint's tensor, converted to the buffer's type.
  case checkpoint(name: String, rows: Range<Int>)
  /// The scales, one a row, of an int8 tensor's rows as the checkpoint stores them.
  case checkpointScales(name: String, rows: Range<Int>)
  /// Selected rows of a checkpoint's tensor, by their ids, converted to the buffer's type.
  case checkpointRows(name: String, ids: [Int32])
  /// A tensor that a delta adds beside the weights, under the name that `ModelWeights` gives it.
  case delta(name: String)
  /// The scales, one a row, of an int8 tensor that a delta adds.
  case deltaScales(name: String)
  /// Row scales of a checkpoint's tensor: each makes its row's largest magnitude 127.
  case rowScales(name: String, rows: Range<Int>, width: Int)
  /// Uniform in ±1/√fanIn: Kaiming's rule with a = √5, as PEFT initialises A (He et al. 2015).
  case kaimingUniform(fanIn: Int, stream: UInt64)
  case values([Float])
  case integers([Int32])
}

extension InitialContents {
  /// Whether the contents are drawn.
  public var isRandom: Bool { if case .kaimingUniform = self { true } else { false } }

  /// Where the row scales of a frozen int8 weight with these contents are: beside its bytes.
  public var storedScales: InitialContents {
    switch self {
    case .checkpoint(let name, let rows): .checkpointScales(name: name, rows: rows)
    case .delta(let name): .deltaScales(name: name)
    default: self
    }
  }

  /// Whether both are rows of one tensor of the checkpoint and share some.
  public func overlaps(_ other: InitialContents) -> Bool {
    guard case .checkpoint(let name, let rows) = self,
      case .checkpoint(name, let others) = other
    else { return false }
    return rows.overlaps(others)
  }
}

/// A numbered piece of memory. Its number is its index in `Program.buffers`.
public struct Buffer: Hashable, Codable, Sendable {
  /// A parameter's name, an input's name, or a label for human readers.
  public var name: String
  public var kind: BufferKind
  public var byteCount: Int
  public var elements: BufferElement
  public var location: BufferLocation
  /// Keeps its contents from one run to the next.
  public var isPersistent: Bool
  public var contents: InitialContents

  public init(
    name: String, kind: BufferKind, byteCount: Int, elements: BufferElement = .f32,
    location: BufferLocation, isPersistent: Bool = false, contents: InitialContents = .undefined
  ) {
    self.name = name
    self.kind = kind
    self.byteCount = byteCount
    self.elements = elements
    self.location = location
    self.isPersistent = isPersistent
    self.contents = contents
  }

  /// The name of the buffer with the row scales of an int8 matrix.
  public var scalesName: String { name + ".scales" }
}

/// A place inside a buffer.
public struct BufferView: Hashable, Codable, Sendable {
  public var buffer: Int
  public var byteOffset: Int

  public init(buffer: Int, byteOffset: Int = 0) {
    self.buffer = buffer
    self.byteOffset = byteOffset
  }

  public func advanced(byBytes bytes: Int) -> BufferView {
    BufferView(buffer: buffer, byteOffset: byteOffset + bytes)
  }

  /// The view moved forward by `count` elements of a type.
  public func advanced(by count: Int, of type: ElementType = .f32) -> BufferView {
    advanced(byBytes: type.byteCount * count)
  }
}
