import ArgumentParser
import Recipes
import Runs
import Storage

#if canImport(Glibc)
  import Glibc
#endif

struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Writes a recipe that fits a model, a text and this machine.",
    discussion: """
      Each line has a comment. Windows are as long as the text wants, batches as large as the free \
      memory holds. A file that is there is not replaced.
      """)

  @Option(help: "The checkpoint (.sfckpt).", completion: .file())
  var model: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Files, folders or globs of UTF-8 text or .jsonl rows to train on.", valueName: "path"),
    completion: .file())
  var data: [String]

  @Option(
    name: .shortAndLong, help: "The recipe to write (the first path's name, in this folder).",
    completion: .file(extensions: ["json"]))
  var output: String?

  func run() throws {
    let name = Self.name(of: data.first ?? "")
    let path = output ?? "\(name).json"
    try Self.checkIsFree(path)
    let here = (Folder.current ?? ".")
    // Paths in a recipe are relative to its own folder.
    let isElsewhere = path.contains("/")
    func written(_ path: String) -> String {
      isElsewhere && !path.hasPrefix("/") ? here + "/" + path : path
    }
    let schema = (try? ShippedRecipes.ofThisProgram.folder).map { $0 + "/recipe.schema.json" }
    let recipe = try NewRecipe(
      model: written(model), data: data.map(written), name: Self.name(of: path),
      schema: schema.flatMap { Folder.exists($0) ? $0 : nil }, folder: here)
    try AtomicFile.write(Array(recipe.text.utf8), to: path)
    Output.note("\(path): read it, change it, then: sparseft finetune \(path)")
  }

  private static func checkIsFree(_ path: String) throws {
    guard !Folder.exists(path) else {
      throw StorageError.cannotCreate(
        path: path, reason: "there is something of that name",
        advice: "give another name with -o, or move it away")
    }
  }

  /// The last part of a path without its ending, as names of files may be.
  private static func name(of path: String) -> String {
    let last = path.split(separator: "/").last.map(String.init) ?? ""
    let stem = last.split(separator: ".").first.map(String.init) ?? ""
    let kept = stem.filter { $0.isLetter || $0.isNumber || "-_".contains($0) }
    return kept.isEmpty ? "recipe" : kept
  }
}
