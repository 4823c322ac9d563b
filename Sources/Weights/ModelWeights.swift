import Adaptations
import Checkpoints
import Execution
import Models
import Programs
import Storage
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A model's weights as programs read them: a mapped checkpoint, with the tensors that deltas
/// change merged into f32 memory of their own.
public final class ModelWeights: WeightSource, @unchecked Sendable {
  public let checkpoint: Checkpoint
  /// The model's shape: the checkpoint's with what deltas add to it, a head of its own or biases.
  public let configuration: ModelConfiguration
  private let merged: [String: UnsafeMutableBufferPointer<Float>]
  /// Holds the merged tensors; nil if there are none.
  private let memory: Arena?
  private let branches: DeltaBranches
  private let merge: DeltaMerge

  /// - Parameter keepsFactors: do not merge low-rank factors into matrices that the checkpoint
  ///   stores in a type narrower than f32, which merging would widen.
  /// - Throws: `CheckpointError.wrongBase` if a delta belongs to another checkpoint, `.unsupported` or
  ///   `.damaged` for tensors of a delta's own that are no ladder, `.noMemoryToMerge` where the merged
  ///   tensors take more memory than there is.
  public init(
    _ checkpoint: Checkpoint, deltas: [(delta: Delta, scale: Double)] = [],
    keepsFactors: Bool = false
  ) throws(CheckpointError) {
    self.checkpoint = checkpoint
    let merge = try DeltaMerge(base: checkpoint, deltas: deltas, leftOut: [.hiddenUnits, .tensor])
    self.merge = merge
    branches = try DeltaBranches(deltas, beside: checkpoint, keepsFactors: keepsFactors)
    let touched = Self.merged(merge, beside: branches)
    let memory = try Self.memory(for: touched)
    var merged: [String: UnsafeMutableBufferPointer<Float>] = [:]
    var offset = 0
    for parameter in touched {
      guard let start = memory?.address(at: offset).assumingMemoryBound(to: Float.self) else {
        break
      }
      merge.rows(of: parameter.name, 0..<parameter.shape[0], into: start)
      merged[parameter.name] = .init(start: start, count: parameter.shape.count)
      offset += Self.byteCount(of: parameter)
    }
    self.memory = memory
    configuration = merge.configuration
    self.merged = merged
    checkpoint.releasePages()
  }

  /// The parameters that deltas change and that are not left to branches beside them, and those that
  /// come with them and that the checkpoint does not have.
  private static func merged(
    _ merge: DeltaMerge, beside branches: DeltaBranches
  ) -> [ParameterDescription] {
    let kept = branches.matrices
    return merge.configuration.parameters.filter {
      let isChanged = merge.isTouched($0.name) && !kept.contains($0.name)
      return isChanged || merge.base.tensor($0.name) == nil
    }
  }

  /// Content hashes of the deltas, in the order given.
  public var deltaHashes: [String] { merge.deltas.map(\.delta.contentHash) }

  /// What numbers computed from these weights are known by: the checkpoint's content hash, or with
  /// deltas a hash of it, theirs and their scales.
  public var identity: String {
    guard !merge.deltas.isEmpty else { return checkpoint.contentHash }
    let facts: JSONValue = [
      "base": .string(checkpoint.contentHash),
      "deltas": .array(
        merge.deltas.map { ["hash": .string($0.delta.contentHash), "scale": .number($0.scale)] }),
    ]
    return ContentHash.hexadecimal(of: facts)
  }

  /// Changes of a model trained from these weights as changes of the checkpoint.
  public func completing(_ updates: [DeltaUpdate]) -> [DeltaUpdate] { merge.completing(updates) }

  /// Checks that checkpoint and deltas are the files that they were when they were opened.
  ///
  /// - Throws: `StorageError.changed`.
  public func checkUnchanged() throws(StorageError) {
    try checkpoint.checkUnchanged()
    for (delta, _) in merge.deltas { try delta.checkUnchanged() }
  }

  /// Memory for merged tensors; nil for none of them.
  private static func memory(
    for parameters: [ParameterDescription]
  ) throws(CheckpointError) -> Arena? {
    let bytes = parameters.reduce(0) { $0 + byteCount(of: $1) }
    guard bytes > 0 else { return nil }
    do {
      return try Arena(byteCount: bytes)
    } catch {
      throw .noMemoryToMerge(bytes: bytes, available: SystemMemory.availableBytes)
    }
  }

  private static func byteCount(of parameter: ParameterDescription) -> Int {
    Arena.aligned(MemoryLayout<Float>.size * parameter.shape.count)
  }

  /// The adaptation that a forward pass needs for what of deltas is not merged; inserts nothing if
  /// all is.
  public var adaptation: any Adaptation { branches.adaptation }

  /// The type in which the parameter of a given name is stored here.
  public func elementType(of name: String) -> ElementType {
    merged[name] == nil ? checkpoint.tensor(name)?.elementType ?? .f32 : .f32
  }

  /// Whether deltas have changed the parameter of a given name.
  public func isMerged(_ name: String) -> Bool { merged[name] != nil }

  /// The first weight that is infinite or not a number, of the checkpoint, then of the deltas, then
  /// of what both add up to, as messages name it; nil if all are finite. Reads all of them.
  public var brokenWeight: String? {
    for tensor in checkpoint.tensors {
      if let found = tensor.firstOtherValue {
        return "'\(checkpoint.path)' has \(found) of \(tensor.name)"
      }
    }
    for (delta, _) in merge.deltas {
      for tensor in delta.entries.flatMap(\.tensors) {
        if let found = tensor.firstOtherValue {
          return "'\(delta.path)' has \(found) of \(tensor.name)"
        }
      }
    }
    let overflown = merged.sorted { $0.key < $1.key }.first { !$0.value.allSatisfy(\.isFinite) }
    return overflown.map { "the deltas add up to infinity in \($0.key)" }
  }

  /// Bytes of the merged tensors.
  public var mergedBytes: Int { merged.values.reduce(0) { $0 + 4 * $1.count } }

  /// The address of a program's frozen weight, or of its row scales; nil if there is none.
  public func address(of buffer: Buffer) -> UnsafeRawPointer? {
    switch buffer.contents {
    case .checkpoint(let name, let rows): address(of: name, from: rows.lowerBound)
    case .checkpointScales(let name, let rows):
      checkpoint.origin(of: name)?.scales?.baseAddress.map {
        UnsafeRawPointer($0 + rows.lowerBound)
      }
    case .delta(let name): branches.address(of: name)
    case .deltaScales(let name): branches.scales(of: name)
    default: nil
    }
  }

  /// The address of a row of the parameter of that name.
  private func address(of name: String, from row: Int) -> UnsafeRawPointer? {
    guard let tensor = checkpoint.origin(of: name) else { return nil }
    if let memory = merged[name] {
      return memory.baseAddress.map { UnsafeRawPointer($0 + row * tensor.rowWidth) }
    }
    let rowBytes = tensor.rowWidth * tensor.elementType.byteCount
    return tensor.data.baseAddress.map { $0 + row * rowBytes }
  }

  /// Maps all pages of a program's frozen weight at once.
  ///
  /// Steps read the weights anyway, but of an embedding only the rows of their tokens: without this
  /// a run's resident memory would creep up to the planned figure over its first thousands of
  /// tokens, with page faults on the way. The pages themselves are in the system's page cache
  /// already, since opening the checkpoint has hashed them.
  public func makeResident(_ buffer: Buffer) {
    guard let address = address(of: buffer) else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = UInt(bitPattern: address) / UInt(page) * UInt(page)
    let count = Int(UInt(bitPattern: address) - start) + buffer.byteCount
    // MADV_POPULATE_READ, since Linux 5.14. If it fails, pages are only mapped one by one.
    _ = madvise(UnsafeMutableRawPointer(bitPattern: start), count, 22)
  }

  /// Rows of an int8 matrix as the checkpoint stores them; nil where deltas have changed it.
  public func storedIntegers(of name: String, _ rows: Range<Int>) -> StoredIntegers? {
    guard merged[name] == nil, let tensor = checkpoint.origin(of: name),
      let scales = tensor.scales?.baseAddress, let values = tensor.data.baseAddress
    else { return nil }
    return StoredIntegers(
      values: values.assumingMemoryBound(to: Int8.self) + rows.lowerBound * tensor.rowWidth,
      scales: scales + rows.lowerBound)
  }

  /// Rows of a parameter as f32.
  public func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    if let memory = merged[name], let tensor = checkpoint.origin(of: name),
      let start = memory.baseAddress
    {
      let width = tensor.rowWidth
      target.update(from: start + rows.lowerBound * width, count: rows.count * width)
    } else {
      checkpoint.rows(of: name, rows, into: target)
    }
  }
}
