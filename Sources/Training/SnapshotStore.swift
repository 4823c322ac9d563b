import Checkpoints
import Programs
import Records
import Storage
import Tensors

/// The snapshots in a run's folder: `best/` and `last/` with a delta each, in `last/` the training
/// state that a resumed run reads, and in `pending/` states whose validation is due.
public struct SnapshotStore: Sendable {
  public static let deltaName = "trained.sfdelta"
  public static let stateName = "state.sfstate"
  /// Where earlier versions kept the last state of an earlier run in the folder.
  static let previousStateName = "state.previous.sfstate"
  /// The files of `best/` and `last/`.
  public static let fileNames = [deltaName, stateName, previousStateName]

  public let folder: String
  /// The method and the resolved recipe, written into every delta.
  public let method: JSONValue
  public let recipe: JSONValue
  /// What trains and at which rate where the recipe leaves that open, and the chosen variants of
  /// matmuls; written into every state.
  public var decision: RunDecision?
  /// Hashes of the run's texts; written into every state.
  public var texts: TextHashes?
  /// Whether states are read whatever text and batches they were saved for.
  public var acceptsChanges = false

  public init(
    folder: String, method: JSONValue, recipe: JSONValue, decision: RunDecision? = nil,
    texts: TextHashes? = nil
  ) {
    self.texts = texts
    self.folder = folder
    self.method = method
    self.recipe = recipe
    self.decision = decision
  }

  /// The path of the best or last delta.
  public func deltaPath(_ kind: SnapshotKind) -> String {
    "\(folder)/\(kind.rawValue)/\(Self.deltaName)"
  }
  var statePath: String { "\(folder)/last/\(Self.stateName)" }
  /// The folder of states whose validation is due.
  public var pending: WorkFolder { WorkFolder("\(folder)/pending", .pendingStates) }
  private var reportsPath: String { "\(pending.path)/\(Self.reportsName)" }
  static let reportsName = "steps.json"
  private func pendingPath(_ step: Int) -> String { "\(pending.path)/\(step).sfstate" }

  /// Steps whose validation is due, in order; also those that an earlier version left, which did not
  /// mark its folders.
  ///
  /// - Throws: `StorageError.readFailed`.
  func pendingSteps() throws(StorageError) -> [Int] {
    let steps = try Folder.names(pending.path).compactMap(Self.pendingStep).sorted()
    if pending.exists { return steps }
    return steps.filter { TensorFileKind.detect(path: pendingPath($0)) == .trainingState }
  }

  /// The step of a state whose validation is due, from its file's name.
  static func pendingStep(_ name: String) -> Int? {
    guard name.hasSuffix(".sfstate"), let step = Int(name.dropLast(8)), step > 0 else { return nil }
    return step
  }

  /// What a resumed run takes over from the last state before it is compiled.
  public struct Saved: Sendable {
    fileprivate let record: StateRecord
    /// Whether any moments have scales, as those in eight or four bits do.
    public let hasRoundedMoments: Bool

    public var decision: RunDecision? { record.decision }
    /// The state's step.
    public var step: Int { record.progress.step }
    /// The resolved recipe and the texts; nil in states of earlier versions.
    public var recipe: JSONValue? { record.recipe }
    public var texts: TextHashes? { record.texts }
    /// Content hashes of the deltas that the run started from.
    public var deltas: [String] { record.deltas }
  }

  /// - Throws: `TrainingError.nothingToResume` without a state, `.checkpoint` for one with values that
  ///   no run writes.
  public func saved() throws(TrainingError) -> Saved {
    let state = try openState(statePath)
    return Saved(
      record: StateRecord(state.values),
      hasRoundedMoments: state.tensors.contains { $0.name.hasSuffix(AdamW.scalesSuffix) })
  }

  /// Checks that the last state belongs to a run of this store, before anything in its folder changes.
  ///
  /// - Parameters:
  ///   - base: the model's content hash.
  ///   - deltas: content hashes of those that the run starts from.
  /// - Throws: `TrainingError.resumeMismatch`.
  public func check(
    _ saved: Saved, base: String, deltas: [String]
  ) throws(TrainingError) {
    try check(saved.record, of: statePath, base: base, deltas: deltas)
  }

  private func check(
    _ record: StateRecord, of path: String, base: String, deltas: [String]
  ) throws(TrainingError) {
    func names(_ hashes: [String]) -> String {
      hashes.isEmpty ? "none" : hashes.joined(separator: ", ")
    }
    try Self.check(path, "model", record.base, base)
    try Self.check(path, "starting deltas", names(record.deltas), names(deltas))
    try Self.check(path, "method", record.presentMethod.encoded(), method.encoded())
    try Self.check(
      path, "privacy", (record.recipe?["privacy"] ?? .null).encoded(),
      (recipe["privacy"] ?? .null).encoded())
  }

  private static func check(
    _ path: String, _ field: String, _ found: String, _ expected: String
  ) throws(TrainingError) {
    guard found == expected else {
      throw .resumeMismatch(path: path, field: field, found: found, expected: expected)
    }
  }

  private func openState(_ path: String) throws(TrainingError) -> TrainingState {
    guard Folder.exists(path) else { throw .nothingToResume(path: path) }
    return try rethrow(TrainingError.checkpoint) { () throws(CheckpointError) in
      let state = try TrainingState.open(path)
      if let problem = StateRecord.problem(in: state.values) {
        throw .damaged(
          path: path, field: "values.\(problem.key)", found: problem.found,
          expected: problem.expected)
      }
      return state
    }
  }

  /// Moves the states of another store into this one, and keeps the reports of its steps until they
  /// have been told as this run's.
  public func takeOver(
    _ other: SnapshotStore, reports: [StepReport]
  ) throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      pending.remove()
      let steps = try other.pendingSteps()
      try pending.create()
      let json = JSONValue.array(reports.map(\.json))
      try AtomicFile.write(Array(json.encoded().utf8), to: reportsPath)
      for step in steps { try Folder.move(other.pendingPath(step), to: pendingPath(step)) }
      other.pending.remove()
      try Folder.create("\(folder)/last")
      try Folder.move(other.statePath, to: statePath)
    }
  }

  /// The reports of steps that were taken over but not told as the run's by the time it ended; none
  /// if that was all done.
  public var pendingReports: [StepReport] {
    guard pending.exists, let json = try? JSONValue.read(path: reportsPath) else { return [] }
    return (json.array ?? []).compactMap { StepReport($0) }
  }

  /// Writes the trained tensors as a delta: those in int8 as they are, others in f32.
  func writeDelta(
    _ session: Session, kind: SnapshotKind, metrics: JSONValue
  ) throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try Folder.create("\(folder)/\(kind.rawValue)")
    }
    let updates = session.weights.completing(try session.deltaUpdates())
    try rethrow(TrainingError.checkpoint) { () throws(CheckpointError) in
      try DeltaWriter.write(
        to: deltaPath(kind), base: session.checkpoint, method: method, recipe: recipe,
        metrics: metrics, elementType: .f32, updates: updates)
    }
  }

  /// Writes what a resumed run needs: trained tensors, optimizer state and progress, in one file, so
  /// that they always belong together.
  ///
  /// - Parameter pending: keep it beside the last state until its validation has been done.
  func writeState(
    _ session: Session, progress: RunProgress, pending: Bool = false
  ) throws(TrainingError) {
    let path = pending ? pendingPath(progress.step) : statePath
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      if pending { try self.pending.create() } else { try Folder.create("\(folder)/last") }
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
        values: record(
          base: session.checkpoint, deltas: session.weights.deltaHashes, progress
        ).values,
        tensors: tensors)
    }
  }

  /// What a delta of this store says of its origin.
  public func deltaDescription(base: Checkpoint) -> JSONObject {
    DeltaWriter.description(base: base, method: method, recipe: recipe)
  }

  /// What a state of this store says.
  ///
  /// - Parameter deltas: content hashes of those that the run started from.
  public func record(
    base: Checkpoint, deltas: [String] = [], _ progress: RunProgress
  ) -> StateRecord {
    StateRecord(
      base: base.contentHash, deltas: deltas, method: method, decision: decision,
      progress: progress,
      recipe: recipe, texts: texts)
  }

  /// Reads a state into the session.
  ///
  /// - Parameter pending: the step of a state whose validation is due; nil for the last state.
  /// - Throws: `TrainingError.nothingToResume` without one, `.resumeMismatch` if it belongs to
  ///   another model, method, text or order of batches.
  func readState(
    into session: Session, batches: BatchIdentity, pending: Int? = nil
  ) throws(TrainingError) -> RunProgress {
    let path = pending.map(pendingPath) ?? statePath
    let state = try openState(path)
    func check(_ field: String, _ found: String, _ expected: String) throws(TrainingError) {
      try Self.check(path, field, found, expected)
    }
    let record = StateRecord(state.values)
    try self.check(
      record, of: path, base: session.checkpoint.contentHash,
      deltas: session.weights.deltaHashes)
    for (found, expected) in zip(record.progress.batches.fields, batches.fields)
    where !acceptsChanges {
      try check(
        found.key.replacing("_", with: " "), "\(found.value)", "\(expected.value)")
    }
    for buffer in session.stateBuffers {
      guard let tensor = state.tensor(buffer.name) else {
        throw .resumeMismatch(
          path: path, field: "tensor \(buffer.name)", found: "missing", expected: "present")
      }
      try check("size of \(buffer.name)", "\(tensor.shape.count)", "\(buffer.count)")
      try check(
        "type of \(buffer.name)", state.tensor(buffer.scalesName) == nil ? "floats" : "bytes",
        buffer.hasScales ? "bytes" : "floats")
      buffer.write { rows, target in tensor.widenRows(rows, into: target) }
      tensor.releasePages()
    }
    var progress = record.progress
    progress.batches = batches
    return progress
  }
}
