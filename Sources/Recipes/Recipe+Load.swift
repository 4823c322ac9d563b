import Storage

#if canImport(Glibc)
  import Glibc
#endif

extension Recipe {
  /// Reads a recipe file, applies overrides, fills in defaults and checks everything.
  ///
  /// - Parameters:
  ///   - path: the recipe's file; paths in it are relative to its folder.
  ///   - overrides: `key=value` arguments in order; a later one wins.
  /// - Throws: `RecipeError`; all problems of keys and values at once.
  public static func load(path: String, overrides: [String] = []) throws(RecipeError) -> Recipe {
    let json: JSONValue
    do {
      json = try JSONValue.read(path: path, .relaxed)
    } catch {
      throw recipeError(error, file: path)
    }
    return try decode(json, file: path, folder: try folder(of: path), overrides: overrides)
  }

  /// Decodes a parsed recipe.
  ///
  /// - Parameters:
  ///   - file: names the recipe in messages.
  ///   - folder: what relative paths start from; absolute, without symbolic links.
  /// - Throws: `RecipeError.problems`.
  public static func decode(
    _ json: JSONValue, file: String, folder: String, overrides: [String] = []
  ) throws(RecipeError) -> Recipe {
    var json = json
    var problems: [RecipeProblem] = []
    var applied: [RecipeOverride] = []
    for text in overrides where json.object != nil {
      do throws(OverrideProblem) {
        let override = try RecipeOverride(text)
        try override.apply(to: &json)
        applied.append(override)
      } catch {
        problems.append(error.problem)
      }
    }
    let context = RecipeContext(folder: folder, overrides: applied)
    let nowhere = RecipePath("/", relativeTo: "/")
    let empty = Recipe(model: nowhere, output: nowhere, train: [])
    let recipe = RecipeKind<Recipe>.section(empty).read(json, "", context)
    problems += context.problems
    guard problems.isEmpty, let recipe else { throw .problems(file: file, problems) }
    return recipe
  }

  private static func recipeError(_ error: StorageError, file: String) -> RecipeError {
    switch error {
    case .cannotOpen where access(file, F_OK) != 0: .notFound(file: file)
    case .cannotOpen(_, let reason): .unreadable(file: file, reason: reason)
    case .notAFile(_, let found): .unreadable(file: file, reason: "it is \(found)")
    case .readFailed(_, let reason): .readFailed(file: file, reason: reason)
    case .pointer:
      .unreadable(file: file, reason: "it is a Git LFS pointer; run 'git lfs pull' in its folder")
    case .json(_, let line, let column, let problem):
      .syntax(file: file, line: line, column: column, reason: problem)
    case .changed, .cannotCreate, .occupied, .busy, .writeFailed, .truncated:
      .unreadable(file: file, reason: error.description)
    }
  }

  /// The folder of a file that exists, absolute and without symbolic links. Paths would be other files'
  /// if they were joined to another folder.
  private static func folder(of path: String) throws(RecipeError) -> String {
    let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    guard let resolved = realpath(parent, nil) else {
      throw .readFailed(file: path, reason: "its folder: \(systemMessage(errno))")
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
