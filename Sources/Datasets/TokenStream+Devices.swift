import Storage

extension TokenStream {
  /// The stream as devices read it: ids, documents, loss mask and, where rows were packed, the windows.
  /// `CRuntime/text.c` describes it.
  ///
  /// - Parameter vocabularySize: more than the largest id.
  package func deviceBytes(vocabularySize: Int) -> [UInt8] {
    var body = ByteWriter()
    let mask = scored.map { Array($0) }
    body.add(UInt8((mask == nil ? 0 : 1) | (packing == nil ? 0 : 2)))
    let isShort = vocabularySize <= 1 << 16
    body.add(UInt8(isShort ? 2 : 4))
    body.add(UInt64(count))
    for start in stride(from: 0, to: count, by: 1 << 16) {
      for index in start..<min(start + 1 << 16, count) {
        if isShort { body.add(UInt16(self[index])) } else { body.add(self[index]) }
      }
      releasePages()
    }
    let starts = documents.map(\.lowerBound)
    body.addCount(starts.count)
    for start in starts { body.add(UInt64(start)) }
    if let mask { body.bytes += Self.bits(mask) }
    guard let packing else { return body.bytes }
    let windows = packing.windowCount(sequenceLength: packing.sequenceLength)
    body.addCount(windows)
    for window in 0..<windows {
      let runs = packing.ranges(window: window)
      body.addCount(runs.count)
      for run in runs {
        body.add(UInt64(run.lowerBound - firstID))
        body.addCount(run.count)
      }
    }
    return body.bytes
  }

  /// A bit for each place, the lowest of a byte first.
  private static func bits(_ mask: [Bool]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (mask.count + 7) / 8)
    for (place, isSet) in mask.enumerated() where isSet { bytes[place / 8] |= 1 << (place % 8) }
    return bytes
  }
}
