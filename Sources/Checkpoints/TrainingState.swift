import Storage
import Tensors

/// The state besides the weights that a run needs to resume: named `f32` tensors such as an
/// optimizer's moments, and JSON such as the step. Not an exchange format: a run reads its own.
public final class TrainingState: Sendable {
  /// The path that was opened.
  public let path: String
  /// SHA-256 of everything after the preamble, in hexadecimal digits.
  public let contentHash: String
  /// Counters, random-generator states and other values that are not tensors; an object.
  public let values: JSONValue
  /// The tensors in file order, all `f32`.
  public let tensors: [StoredTensor]
  private let container: TensorContainer

  /// Maps and checks a training state.
  /// - Throws: `CheckpointError`.
  public static func open(_ path: String) throws(CheckpointError) -> TrainingState {
    try TrainingState(try TensorContainer(path: path, kind: .trainingState))
  }

  private init(_ container: TensorContainer) throws(CheckpointError) {
    let fields = try container.fields(["values"])
    values = .object(try fields.fields("values").object)
    if let other = container.tensors.first(where: { $0.elementType != .f32 }) {
      throw .damaged(
        path: container.path, field: "type of \(other.name)", found: other.elementType.rawValue,
        expected: "f32")
    }
    path = container.path
    contentHash = container.contentHash
    tensors = container.tensors
    self.container = container
  }

  /// The tensor with the given name, or nil.
  public func tensor(_ name: String) -> StoredTensor? { container.tensor(name) }

  /// Drops all pages from resident memory.
  public func releasePages() { container.releasePages() }

  /// Writes a training state; `path` gets the complete file or is left unchanged.
  ///
  /// - Parameters:
  ///   - tensors: names, shapes of one to four axes with extents of at least 1, and elements.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    to path: String, values: JSONObject,
    tensors: [(name: String, shape: Shape, source: TensorSource)]
  ) throws(CheckpointError) -> String {
    for tensor in tensors {
      precondition(
        (1...4).contains(tensor.shape.rank) && tensor.shape.count > 0,
        "\(tensor.name): \(tensor.shape)")
    }
    let writer = ContainerWriter(
      kind: .trainingState, header: ["values": .object(values)], blobs: [],
      tensors: tensors.map { PlannedTensor(name: $0.name, elementType: .f32, shape: $0.shape) })
    return try writer.write(to: path) { (index) throws(CheckpointError) in tensors[index].source }
  }
}
