import Models
import Tensors

/// MLPs that deltas make wider. All of a model's MLPs have the same width, so that those that get fewer
/// units than others are filled up with zeros.
///
/// The units of several deltas lie one after another. A delta's scale goes into its columns of down.
struct WiderMLPs: Sendable {
  /// What the deltas add to the hidden width; 0 for nothing.
  let count: Int
  private let units: [Int: [(entry: DeltaEntry, scale: Double)]]

  /// A linear map of an MLP that is wider than the base's.
  struct Map {
    /// Whether its rows get longer; otherwise it gets more of them.
    let widensRows: Bool
    fileprivate let tensors: [(tensor: StoredTensor, scale: Double)]
  }

  init(_ deltas: [(delta: Delta, scale: Double)]) {
    var units: [Int: [(entry: DeltaEntry, scale: Double)]] = [:]
    for (delta, scale) in deltas {
      for entry in delta.entries where entry.encoding == .hiddenUnits {
        guard let layer = ParameterPath(entry.name)?.layer else { continue }
        units[layer, default: []].append((entry, scale))
      }
    }
    self.units = units
    count = units.values.map { $0.reduce(0) { $0 + $1.entry.rows.count } }.max() ?? 0
  }

  /// The widened map, or the bias of one, of that name; nil for other parameters, and where nothing is
  /// added.
  subscript(name: String) -> Map? {
    guard count > 0, let path = ParameterPath(name), let layer = path.layer else { return nil }
    for (index, kind) in AddedUnits.kinds.enumerated() {
      let role = ParameterRole.linear(kind)
      if path.role == role.bias, kind != .down { return Map(widensRows: false, tensors: []) }
      guard path.role == role else { continue }
      let isDown = kind == .down
      return Map(
        widensRows: isDown,
        tensors: (units[layer] ?? []).map { ($0.entry.tensors[index], isDown ? $0.scale : 1) })
    }
    return nil
  }

  /// Whether the block of a parameter gets units of its own, in f32.
  func addsValues(to name: String) -> Bool { !(self[name]?.tensors.isEmpty ?? true) }
}

extension WiderMLPs.Map {
  /// Rows of the merged map.
  ///
  /// - Parameters:
  ///   - own: the number of rows and their width without the new units.
  ///   - count: how many units are new.
  ///   - withUnits: false for zeros in the units' places.
  ///   - read: writes rows without the new units.
  func rows(
    _ range: Range<Int>, own: (rows: Int, width: Int), count: Int, withUnits: Bool,
    into target: UnsafeMutablePointer<Float>,
    read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) {
    let width = widensRows ? own.width + count : own.width
    let known = range.clamped(to: 0..<own.rows)
    if !known.isEmpty { read(known, target) }
    // From the last row on, as rows move up in place.
    if widensRows {
      for row in (0..<known.count).reversed() {
        let (from, to) = (target + row * own.width, target + row * width)
        if row > 0 { to.update(from: from, count: own.width) }
        (to + own.width).update(repeating: 0, count: count)
      }
    } else {
      (target + known.count * width).update(
        repeating: 0, count: (range.count - known.count) * width)
    }
    guard withUnits else { return }
    var place = 0
    for (tensor, scale) in tensors {
      if widensRows {
        let columns = tensor.rowWidth
        for row in range {
          let values = target + (row - range.lowerBound) * width + own.width + place
          tensor.widenRows(row..<row + 1, into: values)
          for i in 0..<columns { values[i] = Float(scale * Double(values[i])) }
        }
        place += columns
      } else {
        let first = own.rows + place
        let part = range.clamped(to: first..<first + tensor.rowCount)
        if !part.isEmpty {
          tensor.widenRows(
            part.lowerBound - first..<part.upperBound - first,
            into: target + (part.lowerBound - range.lowerBound) * width)
        }
        place += tensor.rowCount
      }
    }
  }
}
