import Datasets
import Training

/// The frozen blocks' outputs for the windows that probes train on and are scored on, cached for
/// all probes that stop their backward pass at the same block.
///
/// The caches take at most `byteLimit` bytes in the folder's file system; probes whose outputs
/// would take more compute them.
public final class SharedPrefixes {
  private let texts: [(text: TokenStream, windows: Int)]
  private let folder: String
  private var bytesLeft: Int
  /// What of the frozen blocks a step reads.
  private struct Cut: Hashable {
    let frozenBlocks: Int
    let lowerStreams: [Int]
  }

  private var caches: [Cut: [PrefixCache]] = [:]

  /// - Parameters:
  ///   - trainedWindows: the number of windows of the training text that probes train on.
  ///   - byteLimit: the limit of the caches of all cuts together.
  public init(
    text: TokenStream, trainedWindows: Int, heldOut: HeldOutWindows, folder: String, byteLimit: Int
  ) {
    let isShared = heldOut.text.isSame(as: text)
    texts =
      isShared
      ? [(text, trainedWindows + heldOut.windows.count)]
      : [(text, trainedWindows), (heldOut.text, heldOut.windows.count)]
    self.folder = folder
    bytesLeft = byteLimit
  }

  /// The caches that fit a step, created when its cut is used for the first time.
  func caches(for step: CompiledStep) -> [PrefixCache] {
    guard step.frozenBlocks > 0 else { return [] }
    let cut = Cut(frozenBlocks: step.frozenBlocks, lowerStreams: step.lowerStreams)
    if let known = caches[cut] { return known }
    var made: [PrefixCache] = []
    for (text, windows) in texts {
      let bytes = PrefixCache.byteCount(windows: windows, for: step)
      // The file is sparse: only windows that probes use take space. Without a cache the same
      // values are computed.
      guard let bytes, bytes <= bytesLeft,
        let cache = try? PrefixCache(text, for: step, folder: folder, byteLimit: .max)
      else { continue }
      bytesLeft -= bytes
      made.append(cache)
    }
    caches[cut] = made
    return made
  }
}
