import Datasets
import Training

/// What frozen blocks make of the windows that probes train on and are judged by, kept for all probes
/// that stop at the same block.
///
/// A folder's file system holds at most `byteLimit` of it; probes whose activations would take more
/// compute them.
public final class SharedPrefixes {
  private let texts: [(text: TokenStream, windows: Int)]
  private let folder: String
  private var bytesLeft: Int
  private var caches: [Int: [PrefixCache]] = [:]

  /// - Parameters:
  ///   - trainedWindows: how many windows of the training text probes come by.
  ///   - byteLimit: for all cuts together.
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

  /// The caches that fit a step; made when a cut comes by for the first time.
  func caches(for step: CompiledStep) -> [PrefixCache] {
    guard step.frozenBlocks > 0 else { return [] }
    if let known = caches[step.frozenBlocks] { return known }
    var made: [PrefixCache] = []
    for (text, windows) in texts {
      let bytes = PrefixCache.byteCount(
        windows: windows, tokens: step.shape.tokens, width: step.width, type: step.prefixType)
      // The file has holes where no probe comes by, so what it takes is what probes use. Without a
      // cache the same values are computed.
      guard let bytes, bytes <= bytesLeft,
        let cache = try? PrefixCache(text, for: step, folder: folder, byteLimit: .max)
      else { continue }
      bytesLeft -= bytes
      made.append(cache)
    }
    caches[step.frozenBlocks] = made
    return made
  }
}
