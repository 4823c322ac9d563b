import Storage
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A row-major tensor in a mapped file, which it keeps mapped, or zeros that no file holds.
///
/// Rows are indexed by the first axis: a matrix `[out, in]` has `out` rows of `in` elements, a gain
/// or bias `[n]` has n rows of one.
public struct StoredTensor: @unchecked Sendable {
  /// The tensor's name in the file's table.
  public let name: String
  /// Element type of `data`.
  public let elementType: ElementType
  /// The extents, outermost axis first.
  public let shape: Shape
  /// The elements' bytes; aligned to 64 bytes in our own files.
  public let data: UnsafeRawBufferPointer
  /// One scale per row for `int8`, else nil.
  public let scales: UnsafeBufferPointer<Float>?
  private let owner: Owner

  /// What keeps the bytes.
  private enum Owner {
    case file(MappedFile)
    case zeros(ZeroMemory)
  }

  package init(
    name: String, elementType: ElementType, shape: Shape, data: UnsafeRawBufferPointer,
    scales: UnsafeBufferPointer<Float>? = nil, owner: MappedFile
  ) {
    precondition(data.count == shape.count * elementType.byteCount, "size of \(name)")
    precondition((scales != nil) == (elementType == .int8), "scales of \(name)")
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.data = data
    self.scales = scales
    self.owner = .file(owner)
  }

  /// Zeros in f32.
  init(zeros name: String, _ shape: Shape) {
    let memory = ZeroMemory(byteCount: shape.count * ElementType.f32.byteCount)
    self.name = name
    elementType = .f32
    self.shape = shape
    data = memory.bytes
    scales = nil
    owner = .zeros(memory)
  }

  /// The extent of the first axis.
  public var rowCount: Int { shape[0] }
  /// Elements of one row.
  public var rowWidth: Int { shape.extents.dropFirst().reduce(1, *) }
  /// Bytes in the file, with row scales but without padding.
  public var byteCount: Int { data.count + (scales?.count ?? 0) * MemoryLayout<Float>.size }

  /// Converts rows to `f32`, exactly: `range.count * rowWidth` elements.
  public func widenRows(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rowCount, "rows \(range) of \(name) \(shape)")
    let width = rowWidth
    let count = range.count * width
    guard count > 0, let start = data.baseAddress else { return }
    let source = start + range.lowerBound * width * elementType.byteCount
    switch elementType {
    case .f32:
      memcpy(target, source, count * 4)
    case .bf16:
      for i in 0..<count {
        target[i] = float(
          bfloat16Bits: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
      }
    case .int8:
      guard let scales else { return }
      let quantised = source.assumingMemoryBound(to: Int8.self)
      for row in 0..<range.count {
        let scale = scales[range.lowerBound + row]
        for i in (row * width)..<((row + 1) * width) { target[i] = scale * Float(quantised[i]) }
      }
    case .int32:
      for i in 0..<count {
        target[i] = Float(source.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self))
      }
    }
  }

  /// All elements as `f32`.
  public func widened() -> [Float] {
    [Float](unsafeUninitializedCapacity: shape.count) { buffer, count in
      if let start = buffer.baseAddress { widenRows(0..<rowCount, into: start) }
      count = shape.count
    }
  }

  /// One row of an int8 matrix as it is stored; nil for other tensors.
  func integerRow(_ row: Int) -> IntegerRow? {
    guard let scales, let start = data.baseAddress else { return nil }
    return IntegerRow(
      values: start.assumingMemoryBound(to: Int8.self) + row * rowWidth, scale: scales[row])
  }

  /// One row as `f32`.
  func widened(row: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: rowWidth) { buffer, count in
      if let start = buffer.baseAddress { widenRows(row..<row + 1, into: start) }
      count = rowWidth
    }
  }

  /// The first value that is infinite or not a number, with its place; nil if all are finite.
  public var firstOtherValue: String? {
    if let scales, let start = scales.baseAddress {
      guard let row = FiniteValues.firstOther(start, count: scales.count) else { return nil }
      return FiniteValues.described(scales[row], at: 0, from: row, Shape([rowCount]))
        + " among the rows' scales"
    }
    let chunk = max(1, (1 << 20) / rowWidth)
    for start in stride(from: 0, to: rowCount, by: chunk) {
      let range = start..<min(start + chunk, rowCount)
      let bytes = UnsafeRawBufferPointer(rebasing: data[byteRange(ofRows: range)])
      let index = FiniteValues.firstOther(bytes, elementType)
      defer { releasePages(ofRows: range) }
      guard let index else { continue }
      let value = widened(row: start + index / rowWidth)[index % rowWidth]
      return FiniteValues.described(value, at: index, from: start, shape)
    }
    return nil
  }

  /// Copies the stored elements of one row without touching the mapping.
  public func readRow(_ row: Int, into target: UnsafeMutableRawPointer) {
    precondition(row >= 0 && row < rowCount, "row \(row) of \(name) \(shape)")
    let range = byteRange(ofRows: row..<row + 1)
    guard let (file, start) = place else {
      memset(target, 0, range.count)
      return
    }
    file.copy((start + range.lowerBound)..<(start + range.upperBound), into: target)
  }

  /// Drops the tensor's pages from resident memory; touching the bytes reads them again.
  public func releasePages() { releasePages(ofRows: 0..<rowCount) }

  /// Drops the pages that hold only the given rows.
  public func releasePages(ofRows rows: Range<Int>) {
    guard let (file, start) = place else { return }
    let range = byteRange(ofRows: rows)
    file.releasePages(
      (start + range.lowerBound)..<(start + range.upperBound), sparesNeighbours: true)
  }

  /// The file and where in it the elements begin; nil for zeros.
  private var place: (file: MappedFile, start: Int)? {
    guard case .file(let file) = owner, let start = data.baseAddress,
      let base = file.bytes.baseAddress
    else { return nil }
    return (file, start - base)
  }

  /// Where in its file the elements begin, and the row scales of int8; nil for zeros.
  package var fileOffsets: (elements: Int, scales: Int?)? {
    guard let (file, start) = place, let base = file.bytes.baseAddress else { return nil }
    return (start, scales?.baseAddress.map { UnsafeRawPointer($0) - base })
  }

  /// Byte range of rows in `data`.
  func byteRange(ofRows rows: Range<Int>) -> Range<Int> {
    let length = rowWidth * elementType.byteCount
    return (rows.lowerBound * length)..<(rows.upperBound * length)
  }
}

/// Memory of zeros that nothing writes to.
private final class ZeroMemory {
  let bytes: UnsafeRawBufferPointer

  init(byteCount: Int) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    bytes = UnsafeRawBufferPointer(memory)
  }

  deinit { bytes.deallocate() }
}
