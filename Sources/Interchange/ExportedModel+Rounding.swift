import Checkpoints
import Models

extension ForeignElementType {
  /// Rounds values, whole blocks of them, as storing and reading them does.
  func round(_ values: UnsafeMutablePointer<Float>, count: Int) {
    guard self != .f32, let type = GGUFElementType.numbered(GGUFEncoder.id(of: self)) else {
      return
    }
    let bytes = UnsafeMutableRawPointer.allocate(
      byteCount: GGUFEncoder.byteCount(count, self), alignment: 16)
    defer { bytes.deallocate() }
    GGUFEncoder.encode(values, count: count, as: self, into: bytes)
    type.widen(count / type.blockElements, bytes, values)
  }
}

extension ExportedModel {
  /// What is left of the deltas' update where a format stores tensors with rounding; nil where none
  /// that they change is rounded.
  ///
  /// - Parameter type: how the format stores a tensor.
  func survival(
    in format: ForeignFormat, type: (ForeignTensorRows) -> ForeignElementType
  ) -> UpdateSurvival? {
    var rounding: [String: RowRounding] = [:]
    for tensor in tensors(in: format) {
      let (type, width) = (type(tensor), tensor.width)
      for parameter in tensor.parameters where type != .f32 {
        let offset = parameter.foreignTensors[format]?.offset ?? 0
        rounding[parameter.name] = RowRounding(
          typeName: type.rawValue, isFloat: type.elementBytes != nil
        ) { values, rows in
          let count = rows * width
          for index in 0..<count { values[index] -= offset }
          type.round(values, count: count)
          for index in 0..<count { values[index] += offset }
        }
      }
    }
    return merge.survival { rounding[$0] }
  }

  /// Writes the model as a checkpoint whose values a format's element types have rounded.
  ///
  /// - Parameters:
  ///   - like: has the same parameters; matrices are stored in its types.
  ///   - type: how the format stores a tensor.
  /// - Throws: `CheckpointError`.
  func writeRounded(
    in format: ForeignFormat, like other: Checkpoint, to path: String,
    type: (ForeignTensorRows) -> ForeignElementType
  ) throws(CheckpointError) -> Checkpoint {
    var types: [String: (type: ForeignElementType, offset: Float)] = [:]
    for tensor in tensors(in: format) {
      for parameter in tensor.parameters {
        let offset = parameter.foreignTensors[format]?.offset ?? 0
        types[parameter.name] = (type(tensor), offset)
      }
    }
    let widths = Dictionary(
      configuration.parameters.map { ($0.name, $0.shape.extents.dropFirst().reduce(1, *)) },
      uniquingKeysWith: { first, _ in first })
    try CheckpointWriter.write(
      to: path, configuration: configuration, tokenizer: checkpoint.tokenizer, elementType: .f32,
      override: { other.tensor($0)?.elementType },
      tensors: { (name) throws(CheckpointError) in
        let stored = types[name] ?? (.f32, 0)
        return .rows { (range, target) throws(CheckpointError) in
          self.merge.rows(of: name, range, into: target)
          let count = range.count * (widths[name] ?? 1)
          for index in 0..<count { target[index] -= stored.offset }
          stored.type.round(target, count: count)
          for index in 0..<count { target[index] += stored.offset }
          self.checkpoint.releasePages()
        }
      })
    return try Checkpoint.open(path)
  }
}
