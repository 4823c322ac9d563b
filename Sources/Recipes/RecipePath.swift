/// A file, folder or glob named in a recipe. Paths are equal if they resolve to the same absolute
/// path.
public struct RecipePath: Sendable, CustomStringConvertible {
  /// The path as the recipe spells it.
  public let raw: String
  /// The path resolved against the recipe's folder.
  public let absolute: String

  /// - Parameter folder: the recipe file's folder as an absolute path without symbolic links, so
  ///   that resolving a leading `..` textually agrees with the file system.
  public init(_ raw: String, relativeTo folder: String) {
    self.raw = raw
    self.absolute = raw.hasPrefix("/") ? raw : RecipePath.join(folder, raw)
  }

  public var description: String { absolute }

  /// Resolves leading `..` from `folder`; one after a name is kept, since that name may be a link.
  private static func join(_ folder: String, _ relative: String) -> String {
    var parts = folder.split(separator: "/")
    var climbing = true
    for part in relative.split(separator: "/") where part != "." {
      if part == "..", climbing {
        _ = parts.popLast()
      } else {
        climbing = false
        parts.append(part)
      }
    }
    return "/" + parts.joined(separator: "/")
  }
}

extension RecipePath: Hashable {
  public static func == (a: RecipePath, b: RecipePath) -> Bool { a.absolute == b.absolute }
  public func hash(into hasher: inout Hasher) { hasher.combine(absolute) }
}
