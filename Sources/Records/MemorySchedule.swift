import Storage

/// Which bytes of the arena a training step uses when: the event `memory`.
///
/// A position is a kernel call of the step's program, counted from 0. What would make the event long
/// is left out: the smallest buffers, and all but the most live bytes of each stretch of positions.
public struct MemorySchedule: JSONRecord {
  /// Number of kernel calls of a step.
  public var positions: Int
  /// Bytes of the arena that the program uses, persistent buffers first.
  public var arenaBytes: Int
  /// Bytes at the arena's start that keep their contents from step to step.
  public var persistentBytes: Int
  /// The position with the most live bytes, and how many these are.
  public var peak: Peak
  /// Where each pass begins, in order; a pass may come again.
  public var phases: [Phase] = []
  /// The largest buffers by bytes times positions, in the order of their offsets.
  public var buffers: [Block] = []
  /// How many buffers are not in `buffers`.
  public var leftOut = 0
  /// The most live bytes of each of equally many positions, in order.
  public var live: [Int] = []

  /// The moment with the most live bytes.
  public struct Peak: Hashable, Sendable {
    public var position: Int
    public var bytes: Int
    /// The kernel of that call.
    public var kernel: String

    public init(position: Int, bytes: Int, kernel: String) {
      self.position = position
      self.bytes = bytes
      self.kernel = kernel
    }
  }

  /// Calls of one pass from a position on.
  public struct Phase: Hashable, Sendable {
    public var name: String
    public var first: Int

    public init(name: String, first: Int) {
      self.name = name
      self.first = first
    }
  }

  /// A buffer's bytes and the positions at which they are needed, both included.
  public struct Block: Hashable, Sendable {
    public var name: String
    public var kind: String
    public var offset: Int
    public var byteCount: Int
    public var first: Int
    public var last: Int

    public init(name: String, kind: String, offset: Int, byteCount: Int, first: Int, last: Int) {
      self.name = name
      self.kind = kind
      self.offset = offset
      self.byteCount = byteCount
      self.first = first
      self.last = last
    }
  }

  public init(positions: Int, arenaBytes: Int, persistentBytes: Int, peak: Peak) {
    self.positions = positions
    self.arenaBytes = arenaBytes
    self.persistentBytes = persistentBytes
    self.peak = peak
  }
}

extension MemorySchedule {
  public var json: JSONValue {
    [
      "type": "memory", "positions": .int(positions), "arena_bytes": .int(arenaBytes),
      "persistent_bytes": .int(persistentBytes),
      "peak": [
        "position": .int(peak.position), "bytes": .int(peak.bytes), "kernel": .string(peak.kernel),
      ],
      "phases": .array(phases.map { [.string($0.name), .int($0.first)] }),
      "buffers": .array(buffers.map(\.json)), "left_out": .int(leftOut),
      "live_bytes": .array(live.map { .int($0) }),
    ]
  }

  public init(_ json: JSONValue) {
    let peak = json["peak"] ?? .null
    self.init(
      positions: json.int("positions"), arenaBytes: json.int("arena_bytes"),
      persistentBytes: json.int("persistent_bytes"),
      peak: Peak(
        position: peak.int("position"), bytes: peak.int("bytes"), kernel: peak.string("kernel")))
    phases = (json["phases"]?.array ?? []).compactMap { phase in
      guard let name = phase[0]?.string, let first = phase[1]?.int else { return nil }
      return Phase(name: name, first: first)
    }
    buffers = (json["buffers"]?.array ?? []).compactMap(Block.init)
    leftOut = json.int("left_out")
    live = (json["live_bytes"]?.array ?? []).compactMap(\.int)
  }
}

extension MemorySchedule.Block {
  /// As `[name, kind, offset, bytes, first position, last position]`.
  fileprivate var json: JSONValue {
    [.string(name), .string(kind), .int(offset), .int(byteCount), .int(first), .int(last)]
  }

  /// Nil where a value is missing or no buffer can have it.
  fileprivate init?(_ json: JSONValue) {
    guard let name = json[0]?.string, let kind = json[1]?.string, let offset = json[2]?.int,
      let byteCount = json[3]?.int, let first = json[4]?.int, let last = json[5]?.int,
      offset >= 0, byteCount >= 0, first >= 0, last >= first
    else { return nil }
    self.init(
      name: name, kind: kind, offset: offset, byteCount: byteCount, first: first, last: last)
  }
}
