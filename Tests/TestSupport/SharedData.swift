import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Finds the test data (small models, tokenizers, texts) that is too large for the repository.
///
///     @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
///     func importsStories() throws {
///       let path = try SharedData.require("stories260K/stories260K.bin")
public enum SharedData {
  /// The folder of the data: `data` in `$SPARSEFT_SHARED`, or in `shared` beside the package.
  public static let root: String? = {
    let shared = environment("SPARSEFT_SHARED") ?? packageRoot + "/../shared"
    return access(shared + "/data", R_OK) == 0 ? shared + "/data" : nil
  }()

  /// The package's own folder, from where this source file lies.
  public static let packageRoot: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/")
  }()

  /// The path of a data file such as "stories260K/stories260K.bin", or nil where it is absent.
  public static func path(_ name: String) -> String? {
    guard let root, access(root + "/" + name, R_OK) == 0 else { return nil }
    return root + "/" + name
  }

  /// As `path`, for tests that run only where data is present or required.
  /// - Throws: `MissingSharedData` where the file is absent, which fails the test.
  public static func require(_ name: String) throws -> String {
    guard let found = path(name) else { throw MissingSharedData(name: name) }
    return found
  }

  /// True where the data is at hand, and in CI (`CI=true`), where absent data must fail a test.
  public static var isPresentOrRequired: Bool { root != nil || environment("CI") == "true" }

  /// Why a test that needs the data is skipped.
  public static let skipReason: Comment = """
    no test data: set SPARSEFT_SHARED to a folder that holds data/, or put shared/ beside the \
    package
    """

  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}

/// A data file that a test needs is absent.
public struct MissingSharedData: Error, CustomStringConvertible {
  /// The file's name under the data folder.
  public let name: String

  public var description: String {
    "test data '\(name)' is missing from \(SharedData.root ?? "the (absent) data folder"); "
      + "set SPARSEFT_SHARED to the folder that holds data/"
  }
}
