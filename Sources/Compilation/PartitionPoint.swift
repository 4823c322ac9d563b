extension ContiguousArray {
  /// The first index of an element of which `isBehind` holds, which must be a tail of the array; the
  /// end if there is none.
  func partitionPoint(where isBehind: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
