import Datasets
import Storage
import Tensors

/// What the frozen lowest blocks make of the windows of one text: the residual stream behind them,
/// [S, D] for each window, f32 or bf16, in a file without a name.
///
/// S tokens in a window, D width. The file is read and written a window at a time, so the process's
/// memory does not grow with it. A cache that can't be written or read any more empties itself and
/// takes nothing from there on; what it would have given is computed instead.
public final class PrefixCache {
  /// The text that the windows belong to.
  public let text: TokenStream
  /// Blocks below the residual stream that is kept.
  public let frozenBlocks: Int
  /// S.
  public let tokens: Int
  /// D.
  public let width: Int
  /// Windows of the text, the last partial one included.
  public let windowCount: Int
  /// f32, or bf16 where the step rounds the stream to it.
  public let elementType: ElementType
  /// Values on their way where they are not f32.
  private var rounded: [UInt16]
  private static let valuesAtATime = 1 << 15
  /// Nil once it has failed.
  private var file: ScratchFile?
  /// A bit for each window that the file holds.
  private var present: [UInt64]
  private var warning: String?

  /// A cache for a step's frozen blocks; nil if the step has none or the text's windows take more
  /// than `byteLimit` bytes.
  ///
  /// - Parameter folder: whose file system holds the file.
  /// - Throws: `StorageError.cannotCreate`.
  public convenience init?(
    _ text: TokenStream, for step: CompiledStep, folder: String, byteLimit: Int
  ) throws(StorageError) {
    guard let bytes = Self.byteCount(of: text, for: step), bytes <= byteLimit else { return nil }
    self.init(text, for: step, file: try ScratchFile(folder: folder))
  }

  /// A cache in a given file, of a text whose bytes can be counted.
  package init(_ text: TokenStream, for step: CompiledStep, file: ScratchFile) {
    self.text = text
    self.file = file
    frozenBlocks = step.frozenBlocks
    tokens = step.shape.tokens
    width = step.width
    windowCount = text.windowCount(sequenceLength: tokens, includePartial: true)
    elementType = step.prefixType
    rounded = [UInt16](repeating: 0, count: elementType == .bf16 ? Self.valuesAtATime : 0)
    present = [UInt64](repeating: 0, count: (windowCount + 63) / 64)
  }

  /// Bytes that all windows of a text take; nil if the step has no frozen blocks or there are more
  /// than can be counted.
  public static func byteCount(of text: TokenStream, for step: CompiledStep) -> Int? {
    guard step.frozenBlocks > 0 else { return nil }
    let windows = text.windowCount(sequenceLength: step.shape.tokens, includePartial: true)
    return byteCount(
      windows: windows, tokens: step.shape.tokens, width: step.width, type: step.prefixType)
  }

  /// Bytes of so many windows' [S, D]; nil if that is more than can be counted.
  package static func byteCount(
    windows: Int, tokens: Int, width: Int, type: ElementType
  ) -> Int? {
    [windows, tokens, width].reduce(type.byteCount) { product, factor in
      guard let product, factor >= 0 else { return nil }
      let (bytes, overflow) = product.multipliedReportingOverflow(by: factor)
      return overflow ? nil : bytes
    }
  }

  /// Windows that are kept now.
  public var storedWindows: Int { present.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether the cache goes with a step.
  func fits(_ step: CompiledStep) -> Bool {
    step.frozenBlocks == frozenBlocks && step.shape.tokens == tokens && step.width == width
      && step.prefixType == elementType
  }

  /// The sentence on why the cache was given up, once.
  func takeWarning() -> String? {
    defer { warning = nil }
    return warning
  }

  private func contains(_ window: Int) -> Bool {
    present[window / 64] & (1 << UInt64(window % 64)) != 0
  }

  /// Reads a window's values, [S, D]; false if it is not kept.
  func read(_ window: Int, into memory: UnsafeMutableBufferPointer<Float>) -> Bool {
    guard let file, contains(window) else { return false }
    do {
      guard elementType == .bf16 else {
        try file.read(into: UnsafeMutableRawBufferPointer(memory), at: 4 * window * tokens * width)
        return true
      }
      try eachPart(of: window) { (values, range, offset) throws(StorageError) in
        try file.read(into: UnsafeMutableRawBufferPointer(values), at: offset)
        for (index, bits) in zip(range, values) { memory[index] = float(bfloat16Bits: bits) }
      }
      return true
    } catch {
      giveUp(error)
      return false
    }
  }

  /// Keeps a window's values, [S, D], unless it is kept already. Where the cache is bf16, they are
  /// rounded to it.
  func write(_ window: Int, from memory: UnsafeBufferPointer<Float>) {
    guard let file, !contains(window) else { return }
    do {
      if elementType == .bf16 {
        try eachPart(of: window) { (values, range, offset) throws(StorageError) in
          for (index, place) in zip(range, values.indices) {
            values[place] = bfloat16Bits(memory[index])
          }
          try file.write(UnsafeRawBufferPointer(values), at: offset)
        }
      } else {
        try file.write(UnsafeRawBufferPointer(memory), at: 4 * window * tokens * width)
      }
      present[window / 64] |= 1 << UInt64(window % 64)
    } catch {
      giveUp(error)
    }
  }

  /// Goes over a window's values in bf16: room for some, which they are, and where they lie in the
  /// file.
  private func eachPart(
    of window: Int,
    _ body: (UnsafeMutableBufferPointer<UInt16>, Range<Int>, Int) throws(StorageError) -> Void
  ) throws(StorageError) {
    let count = tokens * width
    for start in stride(from: 0, to: count, by: Self.valuesAtATime) {
      let range = start..<min(start + Self.valuesAtATime, count)
      try rounded.withUnsafeMutableBufferPointer { (buffer) throws(StorageError) in
        let part = UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
        try body(part, range, 2 * (window * count + start))
      }
    }
  }

  /// Closing the file gives its space back to whatever else needs it.
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
