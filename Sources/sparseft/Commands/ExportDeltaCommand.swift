import ArgumentParser
import Audits
import Checkpoints
import Reports
import Runs
import Storage
import Tensors
import Training

struct ExportDeltaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export-delta", abstract: "Writes what a run has learned to one small file.",
    discussion: """
      f32 keeps the trained values exactly; bf16 and int8 keep their difference from the base \
      model, rounded. Matrices that were trained in int8 are kept exactly as they are without \
      --dtype. The delta says how it was trained, and names no file, text, prompt or label. What \
      the weights themselves tell of the text is another matter: try 'sparseft audit' before you \
      share them (docs/privacy.md).
      """)

  @Argument(
    help: ArgumentHelp(
      "A run's folder (its best snapshot is used), or a snapshot.", valueName: "run"),
    completion: .file())
  var source: String

  @Option(name: .shortAndLong, help: "The delta to write (.sfdelta).", completion: .file())
  var output: String

  @Option(
    help: "The checkpoint that was trained; without it the one that the run's folder names.",
    completion: .file())
  var model: String?

  @Option(
    help:
      "Element type of the stored values; by default f32, and int8 for what was trained in int8.")
  var dtype: ElementType?

  @Flag(
    help: """
      Write the difference from the deltas that the run started from, without them; from the base \
      model if it started from none.
      """)
  var relative = false

  func run() throws {
    let delta = try Delta.open(try snapshotPath())
    let base = try Checkpoint.open(try model ?? modelPath(delta))
    if relative {
      let start = try StartOfRun(snapshot: delta.path, base: base).merge
      try DeltaWriter.writeDifference(
        of: delta, from: start, elementType: dtype ?? .f32, to: output)
    } else {
      try DeltaWriter.convert(delta, base: base, elementType: dtype, to: output)
    }
    let written = try Delta.open(output)
    Output.note(
      "\(output): \(Format.bytes(written.byteCount)), \(Format.count(written.storedParameters)) "
        + "values in \(Self.types(of: written, dtype)), for the model "
        + "\(written.baseHash.prefix(12))…")
    if !relative, let dtype, let line = Self.change(of: delta, to: dtype) {
      Output.note("\(output): \(line)")
    }
    if let warning = SpanWarning.text(written, base: base) { Output.note("warning: \(warning)") }
    Output.note(
      "what it tells of its text: sparseft audit \(output) --model … --train … --heldout …")
  }

  private static func types(of written: Delta, _ dtype: ElementType?) -> String {
    if let dtype { return dtype.rawValue }
    let types = Set(written.entries.flatMap(\.tensors).map(\.elementType))
    return types == [.int8, .f32] ? "int8 and f32" : (types.first ?? .f32).rawValue
  }

  /// What another type makes of matrices that were trained in int8; nil if there are none.
  private static func change(of delta: Delta, to dtype: ElementType) -> String? {
    let count = delta.entries.count { $0.encoding == .integers }
    guard count > 0 else { return nil }
    let what = "\(count) change\(count == 1 ? "" : "s") trained in int8"
    return dtype == .f32
      ? "\(what) stored in f32: the same values in four times the space"
      : "\(what) stored as rounded differences in \(dtype.rawValue): "
        + "the trained integers are lost, which they are not without --dtype"
  }

  /// Path of the model of the snapshot's run; deltas of earlier versions name it themselves.
  private func modelPath(_ delta: Delta) throws -> String {
    let slash = delta.path.lastIndex(of: "/")
    let folder = slash.map { String(delta.path[..<$0]) } ?? "."
    let recipe = "\(folder)/../recipe.resolved.json"
    let isSnapshot = delta.path.hasSuffix(SnapshotStore.deltaName) && Folder.exists(recipe)
    let resolved = isSnapshot ? try JSONValue.read(path: recipe, .strict) : .null
    guard let model = (resolved["model"] ?? delta.recipe["model"])?.string else {
      throw CommandError.unknownModel(path: delta.path)
    }
    return model
  }

  private func snapshotPath() throws -> String {
    let candidates = [
      "\(source)/best/\(SnapshotStore.deltaName)", "\(source)/\(SnapshotStore.deltaName)",
    ]
    if !Folder.isFolder(source) { return source }
    guard let path = candidates.first(where: Folder.exists) else {
      throw CommandError.notARun(path: source)
    }
    return path
  }
}
