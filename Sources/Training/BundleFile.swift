import Adaptations
import Checkpoints
import Programs
import Storage
import Tensors

/// A compiled step as a file that the executor in C opens without anything else but the checkpoint:
/// programs, their layout and settings, never weights. `CRuntime/bundle.h` describes it.
public struct BundleFile {
  let step: CompiledStep
  private let settings: TrainingSettings
  private let checkpoint: Checkpoint
  private let run: RunParts

  /// What the bundle of a run holds beside its step: parts of the files that it writes, which only
  /// this program knows, and how it goes.
  public struct RunParts {
    /// What a state says beside progress.
    public var state: JSONObject = [:]
    /// What a delta says beside metrics and entries.
    public var delta: JSONObject = [:]
    /// What the first two events say that is known before the run.
    public var start: JSONObject = [:]
    public var plan: JSONObject = [:]
    public var plannedBytes: JSONObject = [:]
    /// Nil for no caches of the frozen blocks' outputs.
    public var caches: PrefixCachePlan?
    public var threads = 1

    public init() {}
  }

  public init(
    _ step: CompiledStep, _ settings: TrainingSettings, _ checkpoint: Checkpoint,
    run: RunParts = RunParts()
  ) {
    self.step = step
    self.settings = settings
    self.checkpoint = checkpoint
    self.run = run
  }

  static let magic = Array("SFBNDL\r\n".utf8)
  static let version: UInt32 = 2

  /// The names of the kernels that the step calls, sorted.
  public var kernels: [String] { Self.kernels(of: step.bundle.programs.map(\.program.onTiles)) }

  private static func kernels(of programs: [Program]) -> [String] {
    Set(programs.flatMap { $0.calls.map(\.kernel) }).sorted()
  }

  /// The file's bytes.
  ///
  /// - Throws: `TrainingError.unportable` for contents that devices can't make.
  public func bytes() throws(TrainingError) -> [UInt8] {
    let bundle = step.bundle
    let programs = bundle.programs.map { entry in (entry.role, entry.program.onTiles) }
    var body = ByteWriter()
    body.bytes += checkpointDigest
    body.add(Int64(checkpoint.byteCount))
    add(settings, to: &body)
    for fragment in [run.state, run.delta, run.start, run.plan, run.plannedBytes] {
      body.add(fragment)
    }
    body.add(Int64(bundle.arenaBytes))
    body.add(Int64((bundle.scratchBytesPerThread + 63) & ~63))
    let kernels = Self.kernels(of: programs.map(\.1))
    body.addCount(kernels.count)
    for kernel in kernels { body.add(name: kernel) }
    let tensors = try self.tensors(of: programs.map(\.1))
    body.addCount(tensors.count)
    for tensor in tensors { try add(tensor, to: &body) }
    body.add(UInt8(programs.count))
    let rows = Dictionary(uniqueKeysWithValues: kernels.enumerated().map { ($1, $0) })
    let places = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    for (role, program) in programs {
      body.add(UInt8(role.code))
      try add(program, kernels: rows, tensors: places, to: &body)
    }
    try addChanges(to: &body)
    return Self.preamble(Self.magic, Self.version, for: body.bytes) + body.bytes
  }

  /// The first 64 bytes, as those of tensor files.
  static func preamble(_ magic: [UInt8], _ version: UInt32, for body: [UInt8]) -> [UInt8] {
    var preamble = ByteWriter()
    preamble.bytes = magic
    preamble.add(version)
    preamble.add(UInt32(0))
    preamble.add(Int64(body.count))
    preamble.add(Int64(64 + body.count))
    let hash = ContentHash()
    body.withUnsafeBytes { hash.update($0) }
    return preamble.bytes + hash.finish()
  }

  /// The hash that a file's first 64 bytes hold.
  static func digest(of file: [UInt8]) -> [UInt8] { Array(file[32..<64]) }

  /// The checkpoint's content hash as bytes.
  private var checkpointDigest: [UInt8] {
    let digits = checkpoint.contentHash.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  private func add(_ settings: TrainingSettings, to body: inout ByteWriter) {
    let (shape, schedule) = (settings.shape, settings.schedule)
    for number in [shape.windows, shape.tokens, shape.accumulation, settings.steps] {
      body.add(Int64(number))
    }
    body.add(settings.seed)
    body.add(Int64(schedule.curve.code))
    body.add(schedule.peak)
    body.add(schedule.finalRatio)
    body.add(Int64(schedule.warmupSteps))
    if case .adamW(let rule) = settings.optimizer {
      body.add(rule.firstBeta)
      body.add(rule.secondBeta)
    } else {
      body.add(0.0)
      body.add(0.0)
    }
    body.add(UInt8(step.prefixType == .bf16 ? 1 : 0))
    body.add(Int64(settings.validateEvery))
    body.add(Int64(settings.saveEvery))
    body.add(UInt8(settings.shuffles ? 1 : 0))
    body.add(Int64(settings.patience ?? -1))
    body.add(settings.patienceMargin)
    body.add(Int64(run.caches?.trainingBytes ?? 0))
    body.add(Int64(run.caches?.validationBytes ?? 0))
    body.add(Int64(run.threads))
  }

  // MARK: tensors of the checkpoint

  /// A tensor under the name by which contents know it.
  private struct NamedTensor {
    var name: String
    var tensor: StoredTensor
  }

  private func tensors(of programs: [Program]) throws(TrainingError) -> [NamedTensor] {
    var names: Set<String> = []
    for buffer in programs.flatMap(\.buffers) {
      if let name = buffer.contents.checkpointName { names.insert(name) }
    }
    var tensors: [NamedTensor] = []
    for name in names.sorted() {
      guard let tensor = checkpoint.origin(of: name) else {
        throw .unportable("the checkpoint has no '\(name)'")
      }
      tensors.append(NamedTensor(name: name, tensor: tensor))
    }
    return tensors
  }

  private func add(_ named: NamedTensor, to body: inout ByteWriter) throws(TrainingError) {
    let tensor = named.tensor
    guard let offsets = tensor.fileOffsets else {
      throw .unportable("'\(named.name)' is not in the checkpoint's file")
    }
    body.add(UInt8(BufferElement(tensor.elementType).code))
    body.add(Int64(tensor.rowCount))
    body.add(Int64(tensor.rowWidth))
    body.add(Int64(offsets.elements))
    body.add(Int64(offsets.scales ?? -1))
  }

  // MARK: programs

  private func add(
    _ program: Program, kernels: [String: Int], tensors: [String: Int], to body: inout ByteWriter
  ) throws(TrainingError) {
    body.add(Int64(program.arenaBytes))
    body.add(Int64(program.persistentBytes))
    body.addCount(program.buffers.count)
    for buffer in program.buffers { try add(buffer, tensors: tensors, to: &body) }
    body.addCount(program.ports.count)
    for port in program.ports {
      body.add(name: port.name)
      body.add(UInt8(BufferElement(port.elementType).code))
      body.addCount(port.buffer)
    }
    body.addCount(program.calls.count)
    for call in program.calls { add(call, kernels: kernels, to: &body) }
  }

  private func add(
    _ buffer: Buffer, tensors: [String: Int], to body: inout ByteWriter
  ) throws(TrainingError) {
    body.add(name: buffer.name)
    body.add(UInt8(buffer.kind.code))
    body.add(UInt8(buffer.elements.code))
    body.add(UInt8(buffer.isPersistent ? 1 : 0))
    body.add(Int64(buffer.byteCount))
    if case .arena(let offset) = buffer.location {
      body.add(Int64(offset))
    } else {
      body.add(Int64(-1))
    }
    try add(buffer.contents, of: buffer, tensors: tensors, to: &body)
  }

  private func add(
    _ contents: InitialContents, of buffer: Buffer, tensors: [String: Int],
    to body: inout ByteWriter
  ) throws(TrainingError) {
    func addRows(_ code: UInt8, _ name: String, _ rows: Range<Int>) {
      body.add(code)
      body.addCount(tensors[name] ?? 0)
      body.add(Int64(rows.lowerBound))
      body.add(Int64(rows.upperBound))
    }
    switch contents {
    case .undefined: body.add(UInt8(0))
    case .zeros: body.add(UInt8(1))
    case .checkpoint(let name, let rows): addRows(2, name, rows)
    case .checkpointScales(let name, let rows): addRows(3, name, rows)
    case .checkpointRows(let name, let ids):
      body.add(UInt8(4))
      body.addCount(tensors[name] ?? 0)
      body.addCount(ids.count)
      for id in ids { body.add(id) }
    case .rowScales(let name, let rows, _): addRows(5, name, rows)
    case .kaimingUniform(let fanIn, let stream):
      body.add(UInt8(6))
      body.add(Int64(fanIn))
      body.add(stream)
    case .values(let values):
      body.add(UInt8(7))
      body.addCount(values.count)
      for value in values { body.add(value.bitPattern) }
    case .integers(let values):
      body.add(UInt8(8))
      body.addCount(values.count)
      for value in values { body.add(value) }
    case .delta, .deltaScales:
      throw .unportable("'\(buffer.name)' is a delta's; merge the delta into the model first")
    }
  }

  private func add(_ call: KernelCall, kernels: [String: Int], to body: inout ByteWriter) {
    let kernel = call.encoded
    body.add(UInt16(kernels[kernel.name] ?? 0))
    body.add(UInt8(call.phase.code))
    body.add(UInt8(call.part.code))
    body.add(UInt8(call.buffers.count))
    body.add(UInt8(kernel.sizes.count))
    body.add(UInt8(kernel.scalars.count))
    for number in [call.items, call.grain, call.slices] { body.add(Int64(number)) }
    for view in call.buffers {
      body.add(Int32(view?.buffer ?? -1))
      body.add(Int64(view?.byteOffset ?? 0))
    }
    for size in kernel.sizes { body.add(Int64(size)) }
    for scalar in kernel.scalars { body.add(scalar.bitPattern) }
  }
}

extension BundleFile {
  /// How a delta stores what trained, in the order in which a session's delta does.
  private func addChanges(to body: inout ByteWriter) throws(TrainingError) {
    let buffers = step.training.program.buffers
    let changes = step.savePlan.changes
    var places: [[Int]] = []
    for change in changes {
      places.append(
        change.parameters.compactMap { name in buffers.firstIndex { $0.name == name } })
      guard places.last?.count == change.parameters.count else {
        throw .adaptation(.unclaimed(method: step.method, parameter: change.tensor))
      }
    }
    let order = changes.indices.sorted { (places[$0].max() ?? 0) < (places[$1].max() ?? 0) }
    body.addCount(changes.count)
    for index in order { add(changes[index], buffers: places[index], to: &body) }
  }

  private func add(_ change: SavePlan.Change, buffers: [Int], to body: inout ByteWriter) {
    let (kind, count, scale): (UInt8, Int, Double)
    var numbers: [Int] = []
    switch change.content {
    case .rows(let runs, _):
      (kind, count, scale) = (0, 0, 0)
      numbers = runs.flatMap { [$0.lowerBound, $0.upperBound] }
    case .lowRank(_, _, let rank, let factor): (kind, count, scale) = (1, rank, factor)
    case .hiddenUnits(let units, _, _, _): (kind, count, scale) = (2, units, 0)
    case .tensor(let shape, _):
      (kind, count, scale) = (3, 0, 0)
      numbers = shape.extents
    }
    body.add(name: change.tensor)
    body.add(kind)
    body.add(UInt8(buffers.count))
    for buffer in buffers { body.addCount(buffer) }
    body.add(Int64(count))
    body.add(scale)
    let tensor = checkpoint.origin(of: change.tensor)
    body.add(Int64(tensor?.rowCount ?? 0))
    body.add(Int64(tensor?.shape.rank == 1 ? 1 : 2))
    body.addCount(numbers.count)
    for number in numbers { body.add(Int64(number)) }
  }
}

extension ByteWriter {
  /// A name after its length in two bytes.
  fileprivate mutating func add(name: String) {
    let utf8 = Array(name.utf8.prefix(119))
    add(UInt16(utf8.count))
    bytes += utf8
  }
}

extension Program {
  /// The program with every f32 matmul by this project's own tiles: devices have no library.
  fileprivate var onTiles: Program {
    var program = self
    program.calls = calls.map { call in
      let variant = call.variants.first {
        $0.backend == .tiles && $0.split == call.variant?.split
      }
      return variant.map(call.computed) ?? call
    }
    return program
  }
}

extension InitialContents {
  /// The tensor of the checkpoint that they come from.
  fileprivate var checkpointName: String? {
    switch self {
    case .checkpoint(let name, _), .checkpointScales(let name, _), .checkpointRows(let name, _),
      .rowScales(let name, _, _):
      name
    default: nil
    }
  }
}
