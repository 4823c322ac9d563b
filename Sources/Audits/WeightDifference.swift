import Checkpoints
import Models
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// What training changed in matrices that read the same input: their rows' differences from the
/// base, one matrix under the other.
///
/// A gradient of a linear map is Σ dy ⊗ x over the tokens, so every row of a difference that plain
/// gradient descent made is a sum of the inputs x.
struct WeightDifference {
  /// The matrices, lowest first.
  let tensors: [String]
  let layer: Int
  /// Whether the input is the one of attention, else that of the MLP.
  let isAttention: Bool
  let rows: Int
  let columns: Int
  /// [rows, columns].
  let values: [Double]
  /// The root mean square of what storing a row has rounded, [rows].
  let noise: [Double]
  /// For low-rank factors, of which `values` is B: A, [columns, width of the input]. Rows of B are
  /// sums of A·x.
  let projection: [Double]?

  /// A parameter whose input is the one that rows are sums of.
  var reader: String { tensors[0] }

  /// Whether the input depends on nothing but its own token.
  var isContextFree: Bool { layer == 0 && isAttention }

  /// Rows of one place that are read, as a multiple of the input's width: no span needs more.
  private static let mostRows = 4

  /// Differences by place in the model, from the lowest up, attention before the MLP. Changes of
  /// other tensors, and those beside the base's, are left out.
  static func all(
    of delta: Delta, base: Checkpoint
  ) throws(AuditError) -> [WeightDifference] {
    let places: [(kinds: [LinearKind], isAttention: Bool)] = [
      ([.value, .key, .query], true), ([.gate, .up], false),
    ]
    var found: [WeightDifference] = []
    for layer in 0..<base.configuration.layers {
      for (kinds, isAttention) in places {
        let entries = kinds.flatMap { kind in
          delta.entries.filter { $0.name == kind.path(layer: layer) }
        }
        let stacked = stack(
          entries.filter { $0.encoding != .lowRank }, base: base, layer: layer,
          isAttention: isAttention)
        found += stacked.map { [$0] } ?? []
        for entry in entries where entry.encoding == .lowRank {
          found.append(factors(entry, layer: layer, isAttention: isAttention))
        }
      }
    }
    for difference in found {
      guard difference.values.allSatisfy(\.isFinite),
        difference.projection?.allSatisfy(\.isFinite) ?? true
      else { throw .brokenWeights("the delta's change of \(difference.reader) is not finite") }
    }
    return found
  }

  private static func stack(
    _ entries: [DeltaEntry], base: Checkpoint, layer: Int, isAttention: Bool
  ) -> WeightDifference? {
    let columns = base.configuration.width
    var (values, noise): ([Double], [Double]) = ([], [])
    var tensors: [String] = []
    for entry in entries {
      guard let rows = RowDifference(entry, base: base), rows.columns == columns,
        noise.count < mostRows * columns
      else { continue }
      values += rows.values
      noise += rows.noise
      if !tensors.contains(entry.name) { tensors.append(entry.name) }
    }
    guard !tensors.isEmpty else { return nil }
    return WeightDifference(
      tensors: tensors, layer: layer, isAttention: isAttention, rows: noise.count,
      columns: columns, values: values, noise: noise, projection: nil)
  }

  private static func factors(
    _ entry: DeltaEntry, layer: Int, isAttention: Bool
  ) -> WeightDifference {
    let (a, b) = (entry.tensors[0], entry.tensors[1])
    let values = b.widened()
    let noise = (0..<b.rowCount).map { row in
      roundingNoise(values[row * b.rowWidth..<(row + 1) * b.rowWidth], b.elementType)
    }
    return WeightDifference(
      tensors: [entry.name], layer: layer, isAttention: isAttention, rows: b.rowCount,
      columns: b.rowWidth, values: values.map(Double.init), noise: noise,
      projection: a.widened().map(Double.init))
  }
}

/// The differences of one entry's rows from the base's.
private struct RowDifference {
  let columns: Int
  var values: [Double]
  var noise: [Double] = []

  /// Nil for an encoding that does not change rows.
  init?(_ entry: DeltaEntry, base: Checkpoint) {
    guard let stored = entry.tensors.first, let origin = base.origin(of: entry.name),
      stored.rowWidth == origin.rowWidth
    else { return nil }
    columns = stored.rowWidth
    let floats = stored.widened()
    values = floats.map(Double.init)
    var rows = [Float](repeating: 0, count: floats.count)
    rows.withUnsafeMutableBufferPointer { buffer in
      if let start = buffer.baseAddress { base.rows(of: entry.name, entry.rows, into: start) }
    }
    switch entry.encoding {
    case .difference: break
    case .values, .integers:
      for index in values.indices { values[index] -= Double(rows[index]) }
    default: return nil
    }
    noise = (0..<stored.rowCount).map { row in
      let range = row * columns..<(row + 1) * columns
      let stored = roundingNoise(floats[range], stored.elementType)
      // A difference is of weights that were trained in f32 themselves, however it is stored.
      return entry.encoding == .difference
        ? hypot(stored, roundingNoise(rows[range], .f32)) : stored
    }
  }
}

/// The root mean square of the rounding errors of a row that is stored in an element type.
private func roundingNoise(_ row: ArraySlice<Float>, _ type: ElementType) -> Double {
  let squares = row.reduce(0) { $0 + Double($1) * Double($1) }
  let magnitude = (squares / Double(max(1, row.count))).squareRoot()
  // Half of the distance to the next number is the largest error; its root mean square over the
  // numbers of one binade is about a third of the smallest number's share.
  return switch type {
  case .bf16: magnitude * 0x1p-9
  case .int8: Double(row.reduce(0) { max($0, $1.magnitude) }) / 127 / 12.0.squareRoot()
  default: magnitude * 0x1p-25
  }
}
