import Checkpoints
import Compilation
import Programs
import Storage
import Tensors
import Training

/// What a run takes on a machine with little of everything, with one thread: flash for what is read where
/// it lies, memory for what is written. The program's own code is as large as its compiler makes it.
public struct DevicePlan {
  /// The compiled step.
  public let bundleBytes: Int
  /// The texts as tokens.
  public let textBytes: Int
  /// Weights of the checkpoint that steps read where they lie, and those that are copied into the
  /// arena before the first.
  public let frozenBytes: Int
  public let copiedBytes: Int
  /// All memory but a stack: the arena with a thread's scratch.
  public let arenaBytes: Int
  /// The kernels that the program has in it.
  public let kernels: [String]
  /// The arena's peak and the measures that lower it, without a process's own memory.
  public let waterfall: MemoryWaterfall

  /// - Throws: `TrainingError.unportable` for a step that no file can hold.
  public init(_ run: PlannedRun) throws {
    let file = run.bundleFile
    let bundle = try file.bytes()
    let corpus = run.prepared.corpus
    bundleBytes = bundle.count
    textBytes =
      TokenFile.bytes(
        for: bundle, text: corpus.train, validation: corpus.validation,
        vocabularySize: run.prepared.weights.configuration.vocabularySize
      ).count
    kernels = file.kernels
    arenaBytes = run.step.arenaBytes(threads: 1)
    let buffers = run.step.programs.flatMap(\.buffers)
    let frozen = Set(buffers.filter { $0.location == .external }.map(\.contents))
    let copied = Set(
      buffers.filter { $0.location != .external && $0.isPersistent }.map(\.contents))
    func bytes(_ all: Set<InitialContents>) -> Int {
      all.reduce(0) { $0 + run.prepared.weights.checkpoint.storedBytes(of: $1) }
    }
    frozenBytes = bytes(frozen)
    copiedBytes = bytes(copied.subtracting(frozen))
    waterfall = try MemoryWaterfall(
      run.prepared.compiler, adaptation: run.decision.adaptation, recomputed: run.step.recomputed,
      threads: 1, runtimeBytes: 0)
  }

  /// Bytes of flash without code.
  public var flashBytes: Int { bundleBytes + textBytes + frozenBytes + copiedBytes }

  /// As `plan --device --json` prints it.
  public var json: JSONValue {
    [
      "type": "device_plan", "flash_bytes": .int(flashBytes), "bundle_bytes": .int(bundleBytes),
      "text_bytes": .int(textBytes), "frozen_weight_bytes": .int(frozenBytes),
      "copied_weight_bytes": .int(copiedBytes), "arena_bytes": .int(arenaBytes),
      "kernels": .array(kernels.map { .string($0) }),
      "waterfall": .array(
        waterfall.measures.map { ["measure": .string($0.label), "bytes": .int($0.bytes)] }),
    ]
  }
}

extension Checkpoint {
  /// Bytes that a buffer's contents take in the file.
  fileprivate func storedBytes(of contents: InitialContents) -> Int {
    func bytes(_ name: String, _ rows: Int) -> Int {
      guard let tensor = origin(of: name) else { return 0 }
      return rows * tensor.rowWidth * tensor.elementType.byteCount
    }
    switch contents {
    case .checkpoint(let name, let rows): return bytes(name, rows.count)
    case .checkpointRows(let name, let ids): return bytes(name, ids.count)
    case .checkpointScales(_, let rows): return 4 * rows.count
    default: return 0
    }
  }
}
