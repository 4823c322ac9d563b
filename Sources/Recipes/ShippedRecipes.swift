import Storage

/// The recipes that come with the program: beside its binary where it was built, and in
/// `share/sparseft/recipes` where it was installed.
public struct ShippedRecipes: Sendable {
  public let folder: String

  /// A recipe by its name, and what it is for.
  public struct Entry: Hashable, Sendable {
    public let name: String
    public let summary: String
  }

  /// - Parameter program: the program's own path.
  /// - Throws: `RecipeError.notShipped` where no recipes are near it.
  public init(program: String) throws(RecipeError) {
    let folders = Self.parents(of: program)
    let installed = folders.dropFirst().first.map { $0 + "/share/sparseft/recipes" }
    let candidates = [installed].compactMap(\.self) + folders.map { $0 + "/recipes" }
    guard let folder = candidates.first(where: { Folder.exists($0 + "/quickstart.json") }) else {
      throw .notShipped(program: program)
    }
    self.folder = folder
  }

  /// The folders that a file is in, the nearest first.
  private static func parents(of path: String) -> [String] {
    var parts = path.split(separator: "/")[...]
    var folders: [String] = []
    while parts.popLast() != nil, !parts.isEmpty {
      folders.append("/" + parts.joined(separator: "/"))
    }
    return folders
  }

  /// All of them by name; the summary is the first sentence of a recipe's comment.
  /// - Throws: `StorageError` if they can't be read.
  public func entries() throws(StorageError) -> [Entry] {
    var entries: [Entry] = []
    for file in try Folder.names(folder).sorted()
    where file.hasSuffix(".json") && !file.hasSuffix(".schema.json") {
      let name = String(file.dropLast(5))
      entries.append(Entry(name: name, summary: Self.summary(of: try text(name))))
    }
    return entries
  }

  /// A recipe's text as for a file beside `checkpoints` and `runs`, rather than one folder below.
  /// - Throws: `RecipeError.unknownName`; `StorageError` if it can't be read.
  public func starter(_ name: String) throws -> String {
    let names = try entries().map(\.name)
    guard names.contains(name) else { throw RecipeError.unknownName(name, known: names) }
    return try text(name).replacing("\"../", with: "\"")
  }

  private func text(_ name: String) throws(StorageError) -> String {
    let file = try MappedFile(path: "\(folder)/\(name).json")
    return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
  }

  static func summary(of text: String) -> String {
    let comment = text.split(separator: "\n", omittingEmptySubsequences: false)
      .prefix { $0.hasPrefix("//") }
      .map { $0.drop { $0 == "/" || $0 == " " } }.joined(separator: " ")
    let end = ["; ", ": ", ". ", ", one "].compactMap { comment.firstRange(of: $0)?.lowerBound }
      .min()
    let sentence = comment[..<(end ?? comment.endIndex)]
    return String(sentence.reversed().drop { " .:,".contains($0) }.reversed())
  }
}
