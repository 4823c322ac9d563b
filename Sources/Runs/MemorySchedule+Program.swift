import Programs
import Records

extension MemorySchedule {
  /// Buffers that the event tells of, and stretches of positions whose fullest moment it tells.
  private static let (mostBuffers, mostStretches) = (400, 240)
  /// A pass of fewer calls than this share of all is counted to the one before.
  private static let shortestPhase = 0.01

  /// What a program's calls need of its arena.
  public init(_ program: Program) {
    let ranges = LiveBuffers(program)
    let live = ranges.liveBytes
    let peak = live.indices.max { (live[$0], -$0) < (live[$1], -$1) } ?? 0
    self.init(
      positions: program.calls.count, arenaBytes: program.arenaBytes,
      persistentBytes: program.persistentBytes,
      peak: Peak(
        position: peak, bytes: live.isEmpty ? 0 : live[peak],
        kernel: live.isEmpty ? "" : program.calls[peak].kernel))
    phases = Self.phases(of: program.calls)
    let bySize = ranges.blocks.sorted {
      ($0.weight, $1.offset, $1.first) > ($1.weight, $0.offset, $0.first)
    }
    buffers = bySize.prefix(Self.mostBuffers)
      .sorted { ($0.offset, $0.first) < ($1.offset, $1.first) }
    leftOut = bySize.count - buffers.count
    self.live = Self.maxima(of: live)
  }

  private static func phases(of calls: [KernelCall]) -> [Phase] {
    var runs: [(phase: Programs.Phase, first: Int)] = []
    for (position, call) in calls.enumerated() where runs.last?.phase != call.phase {
      runs.append((call.phase, position))
    }
    let shortest = Int(shortestPhase * Double(calls.count))
    let ends = runs.dropFirst().map(\.first) + [calls.count]
    var phases: [Phase] = []
    for (run, end) in zip(runs, ends)
    where (phases.isEmpty || end - run.first > shortest) && phases.last?.name != run.phase.rawValue
    {
      phases.append(Phase(name: run.phase.rawValue, first: run.first))
    }
    return phases
  }

  private static func maxima(of live: [Int]) -> [Int] {
    let count = min(live.count, mostStretches)
    return (0..<count).map { index in
      live[index * live.count / count..<(index + 1) * live.count / count].max() ?? 0
    }
  }
}

extension MemorySchedule.Block {
  /// Bytes times positions.
  fileprivate var weight: Double { Double(byteCount) * Double(last - first + 1) }
}

/// The arena's buffers with the calls that need them.
private struct LiveBuffers {
  private(set) var blocks: [MemorySchedule.Block] = []
  private let positions: Int

  init(_ program: Program) {
    positions = program.calls.count
    var uses = [ClosedRange<Int>?](repeating: nil, count: program.buffers.count)
    for (position, call) in program.calls.enumerated() {
      for view in call.buffers.compactMap(\.self) {
        uses[view.buffer] = (uses[view.buffer]?.lowerBound ?? position)...position
      }
    }
    for (buffer, use) in zip(program.buffers, uses) {
      guard case .arena(let offset) = buffer.location, buffer.byteCount > 0, positions > 0,
        let live = buffer.isPersistent ? 0...positions - 1 : use
      else { continue }
      blocks.append(
        MemorySchedule.Block(
          name: buffer.name, kind: buffer.kind.rawValue, offset: offset,
          byteCount: buffer.byteCount, first: live.lowerBound, last: live.upperBound))
    }
  }

  /// Bytes that are needed at each position.
  var liveBytes: [Int] {
    var changes = [Int](repeating: 0, count: positions + 1)
    for block in blocks {
      changes[block.first] += block.byteCount
      changes[block.last + 1] -= block.byteCount
    }
    var sum = 0
    return changes.dropLast().map { change in
      sum += change
      return sum
    }
  }
}
