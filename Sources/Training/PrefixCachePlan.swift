import Datasets
import Storage

/// For which texts of a run the frozen blocks' outputs are cached, and in how many bytes.
public struct PrefixCachePlan: Hashable, Sendable {
  /// Bytes that the cache of the training text may take; 0 for none.
  public private(set) var trainingBytes = 0
  /// The same for the validation text.
  public private(set) var validationBytes = 0

  /// A text is cached if its windows are used more than once and all of them fit; the text that is
  /// used more often has the first claim on the bytes.
  ///
  /// - Parameters:
  ///   - validationText: nil for none.
  ///   - byteLimit: the limit of both caches together.
  public init(
    _ step: CompiledStep, settings: TrainingSettings, text: TokenStream,
    validationText: TokenStream?, byteLimit: Int
  ) {
    let windows = text.windowCount(sequenceLength: settings.shape.tokens, includePartial: false)
    let perStep = settings.shape.windowsPerStep
    let epochs = Double(settings.steps) * Double(perStep) / Double(max(1, windows))
    var rest = byteLimit
    func claim(_ text: TokenStream?) -> Int {
      guard let text, let bytes = PrefixCache.byteCount(of: text, for: step), bytes <= rest else {
        return 0
      }
      rest -= bytes
      return bytes
    }
    let trainsFirst = epochs > Double(settings.validations)
    if trainsFirst { trainingBytes = claim(text) }
    if settings.validations > 1 { validationBytes = claim(validationText) }
    if !trainsFirst, epochs > 1 { trainingBytes = claim(text) }
  }

  /// Bytes that the caches may take together.
  public var byteCount: Int { trainingBytes + validationBytes }

  /// Creates the caches.
  ///
  /// - Parameters:
  ///   - step: as in the initialiser, like the texts.
  ///   - folder: the folder in whose file system the files are created.
  /// - Throws: `StorageError.cannotCreate`.
  public func caches(
    _ step: CompiledStep, text: TokenStream, validationText: TokenStream?, folder: String
  ) throws(StorageError) -> [PrefixCache] {
    var caches: [PrefixCache] = []
    for (text, bytes) in [(text, trainingBytes), (validationText, validationBytes)] {
      guard let text, bytes > 0,
        let cache = try PrefixCache(text, for: step, folder: folder, byteLimit: bytes)
      else { continue }
      caches.append(cache)
    }
    return caches
  }
}
