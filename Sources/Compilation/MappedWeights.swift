import Programs

/// Bytes of frozen weights that buffers read from the mapped checkpoint, each row of a tensor
/// counted once, even if an untied head reads the embedding's rows or several programs read the
/// same tensor.
public func mappedWeightBytes(_ buffers: some Sequence<Buffer>) -> Int {
  var counted: [MappedTensor: RangeSet<Int>] = [:]
  var bytes = 0
  for buffer in buffers where buffer.location == .external && buffer.kind == .weight {
    guard let (tensor, rows) = MappedTensor.rows(of: buffer.contents), !rows.isEmpty else {
      bytes += buffer.byteCount
      continue
    }
    let known = counted[tensor, default: RangeSet()]
    let new = RangeSet(rows).subtracting(known)
    bytes += buffer.byteCount / rows.count * new.ranges.reduce(0) { $0 + $1.count }
    counted[tensor] = known.union(new)
  }
  return bytes
}

/// A checkpoint's tensor, or the scales of its rows.
private struct MappedTensor: Hashable {
  var name: String
  var isScales: Bool

  /// The tensor and its rows that a buffer maps; nil for other contents.
  static func rows(of contents: InitialContents) -> (MappedTensor, Range<Int>)? {
    switch contents {
    case .checkpoint(let name, let rows): (MappedTensor(name: name, isScales: false), rows)
    case .checkpointScales(let name, let rows): (MappedTensor(name: name, isScales: true), rows)
    default: nil
    }
  }
}
