import Checkpoints
import Programs
import Storage
import Tensors

/// A run's folder as far as snapshots go: `best/` and `last/` with a delta each, in `last/` the
/// training state that a resumed run reads, and in `pending/` states whose validation is due.
public struct SnapshotStore: Sendable {
  public static let deltaName = "trained.sfdelta"
  public static let stateName = "state.sfstate"

  public let folder: String
  /// The method and the resolved recipe, written into every delta.
  public let method: JSONValue
  public let recipe: JSONValue
  /// What trains and at which rate where the recipe leaves that open, and how products are computed;
  /// written into every state.
  public var decision: JSONValue

  public init(
    folder: String, method: JSONValue, recipe: JSONValue, decision: JSONValue = .null
  ) {
    self.folder = folder
    self.method = method
    self.recipe = recipe
    self.decision = decision
  }

  /// The path of the best or last delta.
  public func deltaPath(_ kind: String) -> String { "\(folder)/\(kind)/\(Self.deltaName)" }
  var statePath: String { "\(folder)/last/\(Self.stateName)" }
  private var pendingFolder: String { "\(folder)/pending" }
  private func pendingPath(_ step: Int) -> String { "\(pendingFolder)/\(step).sfstate" }

  /// Steps whose validation is due, in order.
  var pendingSteps: [Int] {
    Folder.names(pendingFolder).compactMap { name in
      name.hasSuffix(".sfstate") ? Int(name.dropLast(8)) : nil
    }.sorted()
  }

  func removePending() { Folder.remove(pendingFolder) }

  /// What the last state's run had decided.
  ///
  /// - Throws: `TrainingError.nothingToResume` without a state.
  public func savedDecision() throws(TrainingError) -> JSONValue {
    try openState(statePath).values["decision"] ?? .null
  }

  private func openState(_ path: String) throws(TrainingError) -> TrainingState {
    guard Folder.exists(path) else { throw .nothingToResume(path: path) }
    return try rethrow(TrainingError.checkpoint) { () throws(CheckpointError) in
      try TrainingState.open(path)
    }
  }

  /// Sets the last state of an earlier run in the folder aside, so that it is neither lost with the
  /// first save nor resumed as if it were of this run.
  public func setAside() throws(TrainingError) {
    guard Folder.exists(statePath) else { return }
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try Folder.move(statePath, to: "\(folder)/last/state.previous.sfstate")
    }
  }

  /// Takes over the states of another store, which has none afterwards.
  public func takeOver(_ other: SnapshotStore) throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      removePending()
      if Folder.exists(other.pendingFolder) {
        try Folder.move(other.pendingFolder, to: pendingFolder)
      }
      try Folder.create("\(folder)/last")
      try Folder.move(other.statePath, to: statePath)
    }
  }

  /// Writes the trained tensors as a delta in f32.
  func writeDelta(_ session: Session, kind: String, metrics: JSONValue) throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try Folder.create("\(folder)/\(kind)")
    }
    try rethrow(TrainingError.checkpoint) { () throws(CheckpointError) in
      try DeltaWriter.write(
        to: deltaPath(kind), base: session.checkpoint, method: method, recipe: recipe,
        metrics: metrics, elementType: .f32, updates: session.updates)
    }
  }

  /// Writes what a resumed run needs: trained tensors, optimizer state and progress, in one file, so
  /// that they always belong together.
  ///
  /// - Parameter pending: keep it beside the last state, until its validation has been made up for.
  func writeState(
    _ session: Session, progress: RunProgress, pending: Bool = false
  ) throws(TrainingError) {
    let path = pending ? pendingPath(progress.step) : statePath
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try Folder.create(pending ? pendingFolder : "\(folder)/last")
    }
    let tensors = session.stateBuffers.map { buffer in
      (
        name: buffer.name, shape: Shape([buffer.count]),
        source: TensorSource.rows { (range, target) throws(CheckpointError) in
          buffer.read(range, into: target)
        }
      )
    }
    try rethrow(TrainingError.checkpoint) { () throws(CheckpointError) in
      try TrainingState.write(
        to: path,
        values: progress.json(
          base: session.checkpoint.contentHash, method: method, decision: decision),
        tensors: tensors)
    }
  }

  /// Reads a state into the session.
  ///
  /// - Parameter pending: the step of one whose validation is due; nil for the last state.
  /// - Throws: `TrainingError.nothingToResume` without one, `.resumeMismatch` if it belongs to
  ///   another model, method, text or order of batches.
  func readState(
    into session: Session, batches: BatchIdentity, pending: Int? = nil
  ) throws(TrainingError) -> RunProgress {
    let path = pending.map(pendingPath) ?? statePath
    let state = try openState(path)
    func check(_ field: String, _ found: String, _ expected: String) throws(TrainingError) {
      guard found == expected else {
        throw .resumeMismatch(path: path, field: field, found: found, expected: expected)
      }
    }
    let values = state.values
    try check("model", values["base"]?.string ?? "?", session.checkpoint.contentHash)
    try check("method", values["method"]?.encoded() ?? "?", method.encoded())
    for (key, value) in batches.fields {
      try check(
        key.replacing("_", with: " "), "\(values[key]?.int ?? 0)", "\(value)")
    }
    for buffer in session.stateBuffers {
      guard let tensor = state.tensor(buffer.name) else {
        throw .resumeMismatch(
          path: path, field: "tensor \(buffer.name)", found: "missing", expected: "present")
      }
      try check("size of \(buffer.name)", "\(tensor.shape.count)", "\(buffer.count)")
      buffer.write { rows, target in tensor.widenRows(rows, into: target) }
      tensor.releasePages()
    }
    return RunProgress(values, batches: batches)
  }
}

/// What decides which tokens a step sees; a resumed run must agree on all of it.
struct BatchIdentity: Hashable {
  var sequenceLength: Int
  var tokensPerStep: Int
  var trainingTokens: Int
  var seed: Int
  var shuffles: Bool

  init(_ settings: TrainingSettings, trainingTokens: Int) {
    sequenceLength = settings.shape.tokens
    tokensPerStep = settings.shape.tokensPerStep
    self.trainingTokens = trainingTokens
    seed = Int(truncatingIfNeeded: settings.seed)
    shuffles = settings.shuffles
  }

  /// Keys of the training state.
  var fields: [(key: String, value: Int)] {
    [
      ("sequence_length", sequenceLength), ("tokens_per_step", tokensPerStep),
      ("training_tokens", trainingTokens), ("seed", seed), ("shuffle", shuffles ? 1 : 0),
    ]
  }
}

/// How far a run has come.
struct RunProgress: Hashable {
  var step = 0
  let batches: BatchIdentity
  var trainingSeconds = 0.0
  var elapsedSeconds = 0.0
  var initialValidationLoss: Double?
  var bestValidationLoss: Double?
  var lastValidationLoss: Double?
  var validationsSinceBest = 0

  init(_ batches: BatchIdentity) { self.batches = batches }

  init(_ values: JSONValue, batches: BatchIdentity) {
    self.batches = batches
    step = max(0, values["step"]?.int ?? 0)
    trainingSeconds = values["training_seconds"]?.double ?? 0
    elapsedSeconds = values["elapsed_seconds"]?.double ?? 0
    initialValidationLoss = values["initial_validation_loss"]?.double
    bestValidationLoss = values["best_validation_loss"]?.double
    lastValidationLoss = values["last_validation_loss"]?.double
    validationsSinceBest = values["validations_since_best"]?.int ?? 0
  }

  func json(base: String, method: JSONValue, decision: JSONValue) -> JSONObject {
    func loss(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    var object: JSONObject = [
      "base": .string(base), "method": method, "decision": decision, "step": .int(step),
      "training_seconds": .number(trainingSeconds),
      "elapsed_seconds": .number(elapsedSeconds),
      "initial_validation_loss": loss(initialValidationLoss),
      "best_validation_loss": loss(bestValidationLoss),
      "last_validation_loss": loss(lastValidationLoss),
      "validations_since_best": .int(validationsSinceBest),
    ]
    for (key, value) in batches.fields { object[key] = .int(value) }
    return object
  }
}

extension Session {
  /// Parameters and optimizer state: what a step changes and the next one reads.
  package var stateBuffers: [StateBuffer] {
    training.program.buffers.enumerated().compactMap { index, buffer in
      guard buffer.isPersistent, buffer.kind == .parameter || buffer.kind == .optimizer else {
        return nil
      }
      return stateBuffer(index)
    }
  }

  private func stateBuffer(_ index: Int) -> StateBuffer {
    let buffer = training.program.buffers[index]
    let elements: StateBuffer.Elements =
      switch buffer.elementType {
      case .bf16: .bf16(training.elements(of: index, as: UInt16.self))
      case .int8: .bytes(training.elements(of: index, as: UInt8.self))
      case .f32, .int32: .f32(training.elements(of: index, as: Float.self))
      }
    return StateBuffer(name: buffer.name, elements: elements)
  }

  /// The trained tensors as a delta's updates: rows in runs of consecutive ones, or low-rank factors.
  public var updates: [DeltaUpdate] {
    var factors: [String: [Float]] = [:]
    var updates: [DeltaUpdate] = []
    for (index, buffer) in training.program.buffers.enumerated() where buffer.kind == .parameter {
      let memory = stateBuffer(index)
      guard let bracket = buffer.name.lastIndex(of: "[") else { continue }
      let path = String(buffer.name[..<bracket])
      if let runs = buffer.contents.runs {
        updates += Self.updates(of: path, runs: runs, in: memory)
        continue
      }
      let matrix = String(path.dropLast(".lora_a".count))
      factors[path] = memory.values
      if let a = factors[matrix + ".lora_a"], let b = factors[matrix + ".lora_b"],
        let outputs = checkpoint.tensor(matrix)?.shape[0]
      {
        updates.append(
          DeltaUpdate(
            name: matrix,
            content: .lowRank(rank: b.count / outputs, scale: step.lowRankScale, a: a, b: b)))
      }
    }
    return updates
  }

  /// One update for each run of rows that lie behind each other in memory.
  private static func updates(
    of path: String, runs: [Range<Int>], in memory: StateBuffer
  ) -> [DeltaUpdate] {
    let width = memory.count / max(1, runs.reduce(0) { $0 + $1.count })
    var place = 0
    return runs.map { rows in
      let start = place
      place += rows.count
      return DeltaUpdate(
        name: path,
        content: .rows(rows) { (range, target) throws(CheckpointError) in
          let first = (start + range.lowerBound - rows.lowerBound) * width
          memory.read(first..<first + range.count * width, into: target)
        })
    }
  }
}

extension InitialContents {
  /// The rows of a checkpoint's tensor that it holds, in order, as runs of consecutive ones; nil for
  /// other contents.
  fileprivate var runs: [Range<Int>]? {
    switch self {
    case .checkpoint(_, let rows): return [rows]
    case .checkpointRows(_, let ids):
      return ids.map(Int.init).reduce(into: []) { runs, id in
        if let last = runs.last, last.upperBound == id {
          runs[runs.count - 1] = last.lowerBound..<id + 1
        } else {
          runs.append(id..<id + 1)
        }
      }
    default: return nil
    }
  }
}
