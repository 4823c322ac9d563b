import Datasets
import Storage
import Tensors

/// The frozen blocks' outputs for the windows of one text: the residual stream above them, and those
/// below that a step reads, [streams, S, D] for each window, f32 or bf16, in an unnamed file.
///
/// S tokens in a window, D the width. The file is read and written one window at a time, so the
/// process's memory does not grow with it. After a read or write error the cache discards all
/// windows and stores no more; the session computes the outputs instead.
public final class PrefixCache {
  /// The text that the windows belong to.
  public let text: TokenStream
  /// The number of blocks below the cached residual stream.
  public let frozenBlocks: Int
  /// The blocks below the last of them whose outputs are cached too; the file has them first.
  public let lowerStreams: [Int]
  /// S.
  public let tokens: Int
  /// D.
  public let width: Int
  /// Windows of the text, the last partial one included.
  public let windowCount: Int
  /// f32, or bf16 where the step rounds the residual stream to bf16.
  public let elementType: ElementType
  /// A buffer for values converted from and to bf16.
  private var rounded: [UInt16]
  private static let valuesAtATime = 1 << 15
  /// Nil after a read or write error.
  private var file: ScratchFile?
  /// A bit for each window that the file holds.
  private var present: [UInt64]
  private var warning: String?

  /// A cache for a step's frozen blocks; nil if the step has none or the text's windows take more
  /// than `byteLimit` bytes.
  ///
  /// - Parameter folder: the folder in whose file system the file is created.
  /// - Throws: `StorageError.cannotCreate`.
  public convenience init?(
    _ text: TokenStream, for step: CompiledStep, folder: String, byteLimit: Int
  ) throws(StorageError) {
    guard let bytes = Self.byteCount(of: text, for: step), bytes <= byteLimit else { return nil }
    self.init(text, for: step, file: try ScratchFile(folder: folder))
  }

  /// A cache in a given file, for a text whose byte count does not overflow.
  package init(_ text: TokenStream, for step: CompiledStep, file: ScratchFile) {
    self.text = text
    self.file = file
    (frozenBlocks, lowerStreams) = (step.frozenBlocks, step.lowerStreams)
    tokens = step.shape.tokens
    width = step.width
    windowCount = text.windowCount(sequenceLength: tokens, includePartial: true)
    elementType = step.prefixType
    rounded = [UInt16](repeating: 0, count: elementType == .bf16 ? Self.valuesAtATime : 0)
    present = [UInt64](repeating: 0, count: (windowCount + 63) / 64)
  }

  /// Bytes that all windows of a text take; nil if the step has no frozen blocks or the count
  /// overflows.
  public static func byteCount(of text: TokenStream, for step: CompiledStep) -> Int? {
    guard step.frozenBlocks > 0 else { return nil }
    let windows = text.windowCount(sequenceLength: step.shape.tokens, includePartial: true)
    return byteCount(windows: windows, for: step)
  }

  /// Bytes of the given number of windows; nil if the count overflows.
  public static func byteCount(windows: Int, for step: CompiledStep) -> Int? {
    byteCount(
      windows: windows, streams: step.lowerStreams.count + 1, tokens: step.shape.tokens,
      width: step.width, type: step.prefixType)
  }

  /// Bytes of the given number of windows, [streams, S, D] each; nil if the count overflows.
  package static func byteCount(
    windows: Int, streams: Int = 1, tokens: Int, width: Int, type: ElementType
  ) -> Int? {
    [windows, streams, tokens, width].reduce(type.byteCount) { product, factor in
      guard let product, factor >= 0 else { return nil }
      let (bytes, overflow) = product.multipliedReportingOverflow(by: factor)
      return overflow ? nil : bytes
    }
  }

  /// Whether it takes and gives windows: not after a read or write error.
  var isUsable: Bool { file != nil }

  /// The number of windows in the cache.
  public var storedWindows: Int { present.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether the cache's text windows and frozen blocks match those of a step.
  func fits(_ step: CompiledStep) -> Bool {
    step.frozenBlocks == frozenBlocks && step.lowerStreams == lowerStreams
      && step.shape.tokens == tokens && step.width == width && step.prefixType == elementType
  }

  /// The warning that the cache was given up, returned once.
  func takeWarning() -> String? {
    defer { warning = nil }
    return warning
  }

  private func contains(_ window: Int) -> Bool {
    present[window / 64] & (1 << UInt64(window % 64)) != 0
  }

  /// Reads a window's values, [S, D] of each stream; false if the cache does not hold it.
  func read(_ window: Int, into streams: [UnsafeMutableBufferPointer<Float>]) -> Bool {
    guard let file, contains(window) else { return false }
    do {
      for (stream, memory) in streams.enumerated() {
        guard elementType == .bf16 else {
          try file.read(into: UnsafeMutableRawBufferPointer(memory), at: 4 * place(window, stream))
          continue
        }
        try eachPart(of: window, stream) { (values, range, offset) throws(StorageError) in
          try file.read(into: UnsafeMutableRawBufferPointer(values), at: offset)
          for (index, bits) in zip(range, values) { memory[index] = float(bfloat16Bits: bits) }
        }
      }
      return true
    } catch {
      giveUp(error)
      return false
    }
  }

  /// Stores a window's values, [S, D] of each stream, unless the cache holds them already. A bf16 cache
  /// rounds them to bf16.
  func write(_ window: Int, from streams: [UnsafeBufferPointer<Float>]) {
    guard let file, !contains(window) else { return }
    do {
      for (stream, memory) in streams.enumerated() {
        guard elementType == .bf16 else {
          try file.write(UnsafeRawBufferPointer(memory), at: 4 * place(window, stream))
          continue
        }
        try eachPart(of: window, stream) { (values, range, offset) throws(StorageError) in
          for (index, place) in zip(range, values.indices) {
            values[place] = bfloat16Bits(memory[index])
          }
          try file.write(UnsafeRawBufferPointer(values), at: offset)
        }
      }
      present[window / 64] |= 1 << UInt64(window % 64)
    } catch {
      giveUp(error)
    }
  }

  /// Where a stream's values of a window begin, in elements.
  private func place(_ window: Int, _ stream: Int) -> Int {
    (window * (lowerStreams.count + 1) + stream) * tokens * width
  }

  /// Processes a stream's values of a window in bf16 in parts: `body` gets a buffer, the part's range of
  /// elements and its offset in the file.
  private func eachPart(
    of window: Int, _ stream: Int,
    _ body: (UnsafeMutableBufferPointer<UInt16>, Range<Int>, Int) throws(StorageError) -> Void
  ) throws(StorageError) {
    let count = tokens * width
    let first = place(window, stream)
    for start in stride(from: 0, to: count, by: Self.valuesAtATime) {
      let range = start..<min(start + Self.valuesAtATime, count)
      try rounded.withUnsafeMutableBufferPointer { (buffer) throws(StorageError) in
        let part = UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
        try body(part, range, 2 * (first + start))
      }
    }
  }

  /// Closes the file, which frees its disk space.
  private func giveUp(_ error: StorageError) {
    let folder = file?.folder ?? ""
    file = nil
    present = [UInt64](repeating: 0, count: present.count)
    let reason =
      switch error {
      case .writeFailed(_, let reason), .readFailed(_, let reason): reason
      default: error.description
      }
    warning =
      "the cache of the frozen blocks in '\(folder)' is given up (\(reason)); the run goes on "
      + "and computes them in every step"
  }
}
