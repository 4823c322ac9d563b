import Checkpoints
import Models
import Storage
import Tensors

/// The tensors of a GGUF file, matched to a configuration's parameters.
struct GGUFWeights {
  private let file: GGUFFile
  private var found: [String: GGUFRows] = [:]

  /// Tensors that are read as part of the configuration.
  static let rotaryFactors = "rope_freqs.weight"

  /// - Parameter interleavesRotaryRows: whether the architecture's files interleave the pairs of
  ///   query and key rows.
  /// - Throws: `CheckpointError` for a tensor that is missing, of another shape, or one too many.
  init(
    _ file: GGUFFile, _ configuration: ModelConfiguration, interleavesRotaryRows: Bool
  ) throws(CheckpointError) {
    self.file = file
    var tensors = file.tensors
    tensors[Self.rotaryFactors] = nil
    for parameter in configuration.parameters {
      guard let name = parameter.foreignNames[.gguf] else {
        preconditionFailure("\(parameter.name) has no name in GGUF files")
      }
      guard let tensor = tensors.removeValue(forKey: name) else {
        throw .damaged(
          path: file.path, field: "tensors", found: "no '\(name)'",
          expected: "all weights that the metadata asks for")
      }
      guard tensor.shape == parameter.shape.extents else {
        throw .damaged(
          path: file.path, field: "shape of '\(name)'", found: "\(Shape(tensor.shape))",
          expected: "\(parameter.shape), from the metadata (outermost extent first)")
      }
      let isInterleaved = interleavesRotaryRows && parameter.hasRotaryRows
      found[parameter.name] = GGUFRows(
        file: file.file, tensor: tensor,
        interleavedHeadWidth: isInterleaved ? configuration.headWidth : nil)
    }
    if let other = tensors.keys.min() {
      throw .unsupported(
        path: file.path, field: "tensors", found: "'\(other)'",
        expected: "only the weights that the metadata asks for")
    }
  }

  /// The narrowest type that holds every matrix exactly.
  var elementType: ElementType {
    found.values.allSatisfy { $0.tensor.type.isExactInBF16 || $0.tensor.shape.count == 1 }
      ? .bf16 : .f32
  }

  /// The elements of a parameter.
  func source(_ parameter: String) -> TensorSource {
    guard let rows = found[parameter] else { preconditionFailure("no parameter '\(parameter)'") }
    let tensor = rows.tensor
    if tensor.shape.count == 1 { return .values(rows.vector()) }
    let plain: [UInt32: ElementType] = [F32Block.id: .f32, BF16Block.id: .bf16]
    if let type = plain[tensor.type.id], rows.interleavedHeadWidth == nil {
      return .stored(
        StoredTensor(
          name: tensor.name, elementType: type, shape: Shape(tensor.shape),
          data: UnsafeRawBufferPointer(rebasing: file.file.bytes[tensor.range]), owner: file.file))
    }
    return .rows { (range, target) throws(CheckpointError) in rows.read(range, into: target) }
  }
}
