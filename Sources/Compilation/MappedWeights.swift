import Programs

/// Bytes of frozen weights that buffers read from the mapped checkpoint, each row of a tensor
/// counted once, even if an untied head reads the embedding's rows or several programs read the
/// same tensor.
public func mappedWeightBytes(_ buffers: some Sequence<Buffer>) -> Int {
  var counted: [MappedTensor: RangeSet<Int>] = [:]
  var bytes = 0
  for buffer in buffers where buffer.location == .external && buffer.kind == .weight {
    guard case .checkpoint(let name, let rows) = buffer.contents, !rows.isEmpty else {
      bytes += buffer.byteCount
      continue
    }
    let tensor = MappedTensor(name: name, isScales: buffer.name.hasSuffix(".scales"))
    let known = counted[tensor, default: RangeSet()]
    let new = RangeSet(rows).subtracting(known)
    bytes += buffer.byteCount / rows.count * new.ranges.reduce(0) { $0 + $1.count }
    counted[tensor] = known.union(new)
  }
  return bytes
}

private struct MappedTensor: Hashable {
  var name: String
  var isScales: Bool
}
