import Datasets
import Storage

/// What the frozen lowest blocks make of the windows of one text: the residual stream behind them,
/// f32 [S, D] for each window, in a file without a name.
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
  private let rowBytes: Int
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
    rowBytes = 4 * tokens * width
    present = [UInt64](repeating: 0, count: (windowCount + 63) / 64)
  }

  /// Bytes that all windows of a text take; nil if the step has no frozen blocks or there are more
  /// than can be counted.
  public static func byteCount(of text: TokenStream, for step: CompiledStep) -> Int? {
    guard step.frozenBlocks > 0 else { return nil }
    let windows = text.windowCount(sequenceLength: step.shape.tokens, includePartial: true)
    return byteCount(windows: windows, tokens: step.shape.tokens, width: step.width)
  }

  /// Bytes of so many windows' f32 [S, D]; nil if that is more than can be counted.
  package static func byteCount(windows: Int, tokens: Int, width: Int) -> Int? {
    [windows, tokens, width].reduce(4) { product, factor in
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
      try file.read(into: UnsafeMutableRawBufferPointer(memory), at: window * rowBytes)
      return true
    } catch {
      giveUp(error)
      return false
    }
  }

  /// Keeps a window's values, [S, D], unless it is kept already.
  func write(_ window: Int, from memory: UnsafeBufferPointer<Float>) {
    guard let file, !contains(window) else { return }
    do {
      try file.write(UnsafeRawBufferPointer(memory), at: window * rowBytes)
      present[window / 64] |= 1 << UInt64(window % 64)
    } catch {
      giveUp(error)
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
