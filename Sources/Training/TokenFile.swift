import Datasets
import Storage

/// A run's texts as a file for devices, bound to a bundle: `CRuntime/text.c` reads it.
public enum TokenFile {
  private static let magic = Array("SFTOKN\r\n".utf8)
  private static let version: UInt32 = 1

  /// The file's bytes.
  ///
  /// - Parameters:
  ///   - bundle: the bytes of the bundle's file.
  ///   - validation: the held-out text; nil for none.
  ///   - vocabularySize: more than the largest id.
  public static func bytes(
    for bundle: [UInt8], text: TokenStream, validation: TokenStream?, vocabularySize: Int
  ) -> [UInt8] {
    var body = BundleFile.digest(of: bundle)
    let none = TokenStream(ids: [], documentStarts: [], bytes: 0)
    for stream in [text, validation ?? none] {
      body += stream.deviceBytes(vocabularySize: vocabularySize)
    }
    return BundleFile.preamble(magic, version, for: body) + body
  }
}
