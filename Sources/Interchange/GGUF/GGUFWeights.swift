import Checkpoints
import Models
import Storage
import Tensors

/// The tensors of a GGUF file, matched to a configuration's parameters.
struct GGUFWeights {
  private let file: GGUFFile
  private var found: [String: Found] = [:]

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
    for (name, parameters) in configuration.schema.tensors(in: .gguf) {
      guard let tensor = tensors.removeValue(forKey: name) else {
        throw .damaged(
          path: file.path, field: "tensors", found: "no '\(name)'",
          expected: "all weights that the metadata asks for")
      }
      for parameter in parameters {
        let isInterleaved = interleavesRotaryRows && parameter.hasRotaryRows
        found[parameter.name] = try Found(
          parameter, of: tensor, in: file,
          interleavedHeadWidth: isInterleaved ? configuration.headWidth : nil)
      }
    }
    if let other = tensors.keys.min() {
      throw .unsupported(
        path: file.path, field: "tensors", found: "'\(other)'",
        expected: "only the weights that the metadata asks for")
    }
  }

  /// The narrowest type that holds every matrix exactly.
  var elementType: ElementType {
    found.values.allSatisfy { $0.rows.tensor.type.isExactInBF16 || $0.shape.rank == 1 }
      ? .bf16 : .f32
  }

  /// The elements of a parameter.
  func source(_ parameter: String) -> TensorSource {
    guard let found = found[parameter] else { preconditionFailure("no parameter '\(parameter)'") }
    let (rows, tensor) = (found.rows, found.rows.tensor)
    if found.shape.rank == 1 {
      return .values(Array(rows.vector()[rows.firstRow..<rows.firstRow + found.shape.count]))
    }
    let plain: [UInt32: ElementType] = [F32Block.id: .f32, BF16Block.id: .bf16]
    if let type = plain[tensor.type.id], rows.interleavedHeadWidth == nil {
      let start = tensor.range.lowerBound + rows.firstRow * tensor.rowBytes
      let range = start..<start + found.shape[0] * tensor.rowBytes
      return .stored(
        StoredTensor(
          name: tensor.name, elementType: type, shape: found.shape,
          data: UnsafeRawBufferPointer(rebasing: file.file.bytes[range]), owner: file.file))
    }
    return .rows { (range, target) throws(CheckpointError) in rows.read(range, into: target) }
  }
}

/// The rows of a tensor that are a parameter.
private struct Found {
  let rows: GGUFRows
  /// The parameter's.
  let shape: Shape

  init(
    _ parameter: ParameterDescription, of tensor: GGUFTensor, in file: GGUFFile,
    interleavedHeadWidth: Int?
  ) throws(CheckpointError) {
    let foreign = parameter.foreignTensors[.gguf]
    let extents = foreign?.extents(of: parameter.shape.extents) ?? parameter.shape.extents
    guard tensor.shape == extents else {
      throw .damaged(
        path: file.path, field: "shape of '\(tensor.name)'", found: "\(Shape(tensor.shape))",
        expected: "\(Shape(extents)), from the metadata (outermost extent first)")
    }
    rows = GGUFRows(
      file: file.file, tensor: tensor, firstRow: foreign?.part?.rows.lowerBound ?? 0,
      interleavedHeadWidth: interleavedHeadWidth)
    shape = parameter.shape
  }
}
