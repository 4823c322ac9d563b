import Storage
import Tensors

/// What a run needs beside its weights to go on where it stopped: named `f32` tensors such as an
/// optimizer's moments, and JSON such as the step. Not for exchange: a run reads its own.
public final class TrainingState: Sendable {
  /// The path that was opened.
  public let path: String
  /// SHA-256 of all that follows the preamble, in hexadecimal digits.
  public let contentHash: String
  /// Counters, random sources and whatever else is no tensor; an object.
  public let values: JSONValue
  /// In file order, all `f32`.
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

  /// The tensor of a name, or nil.
  public func tensor(_ name: String) -> StoredTensor? { container.tensor(name) }

  /// Drops all pages from resident memory.
  public func releasePages() { container.releasePages() }

  /// Writes a training state; it appears under `path` whole or not at all.
  ///
  /// - Parameters:
  ///   - tensors: names, shapes of one to four axes from 1, and elements.
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
