import Models
import Storage
import Tensors

/// A stored tensor of a delta; the first tensor of each update also carries the update's entry.
struct DeltaPart {
  let entry: JSONValue?
  let planned: PlannedTensor
  let source: TensorSource

  static func parts(
    of update: DeltaUpdate, _ base: DeltaBase, _ elementType: ElementType
  ) -> [DeltaPart] {
    switch update.content {
    case .rows(let range, let reader):
      return [rows(range, reader, of: base, named: update.name, elementType)]
    case .differences(let range, let reader):
      return [differences(range, reader, of: base, named: update.name, elementType)]
    case .integers(let range, let rows):
      return [integers(range, rows, of: base.shape(of: update.name), named: update.name)]
    case .tensor(let shape, let source):
      return [
        DeltaPart(
          entry: ["name": .string(update.name), "encoding": "tensor"],
          planned: PlannedTensor(name: update.name, elementType: .f32, shape: shape),
          source: source)
      ]
    case .hiddenUnits(let count, let gate, let up, let down):
      let entry: JSONValue = [
        "name": .string(update.name), "encoding": .string(DeltaEncoding.hiddenUnits.rawValue),
      ]
      let width = base.configuration.width
      let names = AddedUnits.tensorNames(of: update.name)
      let tensors: [(shape: Shape, source: TensorSource)] = [
        ([count, width], gate), ([count, width], up), ([width, count], down),
      ]
      return tensors.indices.map { index in
        DeltaPart(
          entry: index == 0 ? entry : nil,
          planned: PlannedTensor(
            name: names[index], elementType: .f32, shape: tensors[index].shape),
          source: tensors[index].source)
      }
    case .lowRank(let rank, let scale, let a, let b):
      let shape = base.shape(of: update.name)
      precondition(shape.rank == 2, "factors of \(update.name)")
      let entry: JSONValue = [
        "name": .string(update.name), "encoding": "low_rank", "scale": .number(scale),
      ]
      let names = LowRankFactors.tensorNames(of: update.name)
      func part(_ index: Int, _ shape: Shape, _ source: TensorSource) -> DeltaPart {
        DeltaPart(
          entry: index == 0 ? entry : nil,
          planned: PlannedTensor(name: names[index], elementType: elementType, shape: shape),
          source: source)
      }
      return [part(0, [rank, shape[1]], a), part(1, [shape[0], rank], b)]
    }
  }

  private static func integers(
    _ range: Range<Int>, _ rows: IntegerRows, of shape: Shape, named name: String
  ) -> DeltaPart {
    DeltaPart(
      entry: entry(.integers, name, range, of: shape),
      planned: planned(range, of: shape, named: name, .int8),
      source: .integers(rows.counted(from: range.lowerBound)))
  }

  /// The entry of rows of a parameter.
  private static func entry(
    _ encoding: DeltaEncoding, _ name: String, _ range: Range<Int>, of shape: Shape
  ) -> JSONValue {
    precondition(
      !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= shape[0],
      "rows \(range) of \(name) \(shape)")
    return [
      "name": .string(name), "encoding": .string(encoding.rawValue),
      "first_row": .int(range.lowerBound), "rows": .int(range.count),
    ]
  }

  private static func planned(
    _ range: Range<Int>, of shape: Shape, named name: String, _ elementType: ElementType
  ) -> PlannedTensor {
    PlannedTensor(
      name: DeltaEntry.storedName(name, range, of: shape[0]), elementType: elementType,
      shape: Shape([range.count] + shape.extents.dropFirst()))
  }

  private static func rows(
    _ range: Range<Int>, _ reader: @escaping RowReader, of base: DeltaBase,
    named name: String, _ elementType: ElementType
  ) -> DeltaPart {
    let shape = base.shape(of: name)
    let type = shape.rank == 2 ? elementType : .f32
    let encoding = type == .f32 ? DeltaEncoding.values : .difference
    let source: RowReader = { (part, target) throws(CheckpointError) in
      let rows = (part.lowerBound + range.lowerBound)..<(part.upperBound + range.lowerBound)
      try reader(rows, target)
      guard encoding == .difference else { return }
      base.subtract(rows, of: name, from: target)
    }
    return DeltaPart(
      entry: entry(encoding, name, range, of: shape),
      planned: planned(range, of: shape, named: name, type), source: .rows(source))
  }

  private static func differences(
    _ range: Range<Int>, _ reader: @escaping RowReader, of base: DeltaBase,
    named name: String, _ elementType: ElementType
  ) -> DeltaPart {
    let shape = base.shape(of: name)
    return DeltaPart(
      entry: entry(.difference, name, range, of: shape),
      planned: planned(range, of: shape, named: name, shape.rank == 2 ? elementType : .f32),
      source: .rows { (part, target) throws(CheckpointError) in
        try reader(part.lowerBound + range.lowerBound..<part.upperBound + range.lowerBound, target)
      })
  }
}

extension DeltaPart {
  /// The stored tensors of an entry as they are, as a change of the parameter of that name, which has
  /// the entry's shape.
  static func copies(of entry: DeltaEntry, named name: String, _ base: DeltaBase) -> [DeltaPart] {
    var json: JSONObject = ["name": .string(name), "encoding": .string(entry.encoding.rawValue)]
    let names: [String]
    switch entry.encoding {
    case .values, .integers, .difference:
      json["first_row"] = .int(entry.rows.lowerBound)
      json["rows"] = .int(entry.rows.count)
      names = [DeltaEntry.storedName(name, entry.rows, of: base.shape(of: name)[0])]
    case .lowRank:
      json["scale"] = .number(entry.scale)
      names = LowRankFactors.tensorNames(of: name)
    case .hiddenUnits: names = AddedUnits.tensorNames(of: name)
    case .tensor: names = [name]
    }
    return zip(names, entry.tensors).enumerated().map { index, part in
      DeltaPart(
        entry: index == 0 ? .object(json) : nil,
        planned: PlannedTensor(
          name: part.0, elementType: part.1.elementType, shape: part.1.shape),
        source: .stored(part.1))
    }
  }
}
