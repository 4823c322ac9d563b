import Programs
import Tensors

/// Bytes of memory by purpose.
public struct MemoryPlan: Hashable, Codable, Sendable {
  /// Trained parameters, copied into the arena.
  public var parameters = 0
  /// Frozen weights, mapped from the checkpoint: resident, but not in the arena.
  public var mappedWeights = 0
  /// Inputs, constant tables, and activations live at the arena's fullest moment.
  public var activations = 0
  public var gradients = 0
  public var optimizer = 0
  /// Scratch of operations, gaps left by the placement, and the threads' scratch.
  public var workspace = 0

  public init() {}

  /// All of it, in bytes.
  public var total: Int {
    parameters + mappedWeights + activations + gradients + optimizer + workspace
  }

  mutating func add(_ bytes: Int, kind: BufferKind) {
    switch kind {
    case .weight: mappedWeights += bytes
    case .parameter: parameters += bytes
    case .gradient: gradients += bytes
    case .optimizer: optimizer += bytes
    case .activation, .input, .constant: activations += bytes
    case .workspace: workspace += bytes
    }
  }
}

/// Places of persistent buffers by name, so that programs that share an arena agree on them.
public struct PersistentLayout: Sendable {
  private(set) var offsets: [String: Int] = [:]
  public private(set) var byteCount = 0
  /// `byteCount`, split by purpose.
  private(set) var memory = MemoryPlan()

  public init() {}

  mutating func offset(of name: String, kind: BufferKind, byteCount bytes: Int) -> Int {
    if let known = offsets[name] { return known }
    let offset = byteCount
    offsets[name] = offset
    byteCount += aligned(bytes)
    memory.add(aligned(bytes), kind: kind)
    return offset
  }
}
