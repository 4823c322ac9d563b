import ArgumentParser
import Recipes
import Reports
import Storage

#if canImport(Glibc)
  import Glibc
#endif

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "Lists the recipes that come with sparseft, or copies one.",
    subcommands: [ListCommand.self, CopyCommand.self, SchemaCommand.self],
    defaultSubcommand: ListCommand.self)

  struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Lists the recipes with a line each.")

    func run() throws {
      var table = Table([.init("recipe"), .init("")])
      for entry in try ShippedRecipes.ofThisProgram.entries() {
        table.add([entry.name, entry.summary])
      }
      Output.print(table.text)
    }
  }

  struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "schema", abstract: "Prints the JSON Schema of recipes, for editors.")

    func run() throws { Output.print(Recipe.schema.encoded(.pretty)) }
  }

  struct CopyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "copy", abstract: "Copies a recipe to start from.",
      discussion: """
        The copy names models in checkpoints/ and runs in runs/ beside itself. A file that is there \
        is not replaced.
        """)

    @Argument(
      help: "A name that 'sparseft recipes' lists.",
      completion: .custom { _, _, _ in
        (try? ShippedRecipes.ofThisProgram.entries().map(\.name)) ?? []
      })
    var name: String

    @Option(
      name: .shortAndLong, help: "The file to write (NAME.json in this folder).",
      completion: .file(extensions: ["json"]))
    var output: String?

    func run() throws {
      let text = try ShippedRecipes.ofThisProgram.starter(name)
      let path = output ?? "\(name).json"
      guard !Folder.exists(path) else {
        throw StorageError.cannotCreate(
          path: path, reason: "there is something of that name",
          advice: "give another name with -o, or move it away")
      }
      try AtomicFile.write(Array(text.utf8), to: path)
      Output.note("\(path) is a copy of the recipe '\(name)'")
    }
  }
}

extension ShippedRecipes {
  /// Those of the program that runs.
  static var ofThisProgram: ShippedRecipes {
    get throws {
      try ShippedRecipes(program: ProgramPath.own)
    }
  }
}
