import Records
import Reports
import Storage
import Tensors

/// All that a page is made of: the records of a run, of the runs it was compared with, or of an
/// analysis.
public struct RunFiles: Sendable {
  /// The folder's name.
  public var name: String
  /// The folder's own run; nil for a comparison or an analysis alone.
  public var own: RunHistory?
  /// Runs of the folder's comparison.
  public var members: [Member] = []
  public var comparison: ComparisonRecord?
  /// What was measured about tensors, by this run or before it.
  public var analysis: AnalysisRecord?
  /// The resolved recipe.
  public var recipe: JSONValue?

  /// A run of a comparison.
  public struct Member: Sendable {
    public var label: String
    public var seed: Int
    public var history: RunHistory

    public init(label: String, seed: Int, history: RunHistory) {
      (self.label, self.seed, self.history) = (label, seed, history)
    }
  }

  public init(name: String) { self.name = name }

  private static let eventFile = "events.jsonl"

  /// Reads a run's folder.
  ///
  /// - Throws: `StorageError` if a file can't be read; `RunFilesError.notARun` where no run, no
  ///   comparison and no analysis is in the folder.
  public init(folder: String) throws {
    self.init(name: Self.name(of: folder))
    comparison = ComparisonRecord(file: folder + "/compare.json")
    analysis = AnalysisRecord(file: folder + "/contributions.json")
    recipe = try? JSONValue.read(path: folder + "/recipe.resolved.json")
    if Folder.exists("\(folder)/\(Self.eventFile)") {
      own = try Self.history("\(folder)/\(Self.eventFile)")
    }
    try readMembers(folder)
    // The file may be of another recipe, or newer than the run and tell more.
    if let measured = own?.analysis, analysis?.key != measured.key { analysis = measured }
    guard own?.start != nil || comparison != nil || analysis != nil || !members.isEmpty else {
      throw RunFilesError.notARun(path: folder)
    }
  }

  private mutating func readMembers(_ folder: String) throws {
    let parent = folder + "/compare"
    guard Folder.exists(parent) else { return }
    let names = try Folder.names(parent).compactMap { name in
      MemberName(name).map { (name: name, member: $0) }
    }
    for (name, member) in names.sorted(by: { $0.member < $1.member }) {
      let path = "\(parent)/\(name)/\(Self.eventFile)"
      guard Folder.exists(path) else { continue }
      let history = try Self.history(path)
      let row = comparison?.rows.first { name.hasSuffix(MemberName.suffix($0.label, $0.seed)) }
      members.append(
        Member(
          label: row?.label ?? history.start?.label ?? name, seed: member.seed, history: history))
      if recipe == nil {
        recipe = try? JSONValue.read(path: "\(parent)/\(name)/recipe.resolved.json")
      }
    }
  }

  private static func history(_ path: String) throws(StorageError) -> RunHistory {
    var reader = EventReader(path)
    var history = RunHistory()
    for event in try reader.read().events { history.add(event) }
    return history
  }

  /// The last part of a path that is a name.
  private static func name(of folder: String) -> String {
    let parts = folder.split(separator: "/").filter { $0 != "." }
    return parts.last.map(String.init) ?? folder
  }
}

/// The name of the folder of a comparison's run: `INDEX-LABEL-SEED`.
public struct MemberName: Comparable {
  let index: Int
  let seed: Int

  /// Nil for other names.
  init?(_ name: String) {
    let parts = name.split(separator: "-")
    guard parts.count > 1, let index = Int(parts[0]), let seed = Int(parts[parts.count - 1]) else {
      return nil
    }
    (self.index, self.seed) = (index, seed)
  }

  /// The name for a method's place in the field, its label and a seed.
  public static func text(index: Int, label: String, seed: Int) -> String {
    "\(index)\(suffix(label, seed))"
  }

  /// A label as names of folders have it.
  private static func slug(_ label: String) -> String {
    String(label.map { $0.isLetter || $0.isNumber ? $0 : "-" })
  }

  static func suffix(_ label: String, _ seed: Int) -> String { "-\(slug(label))-\(seed)" }

  public static func < (left: MemberName, right: MemberName) -> Bool {
    (left.seed, left.index) < (right.seed, right.index)
  }
}

/// Errors of reading a run's records.
public enum RunFilesError: Failure {
  case notARun(path: String)

  public var category: FailureCategory { .missingInput }

  public var description: String {
    switch self {
    case .notARun(let path):
      "'\(path)' holds no run: no events.jsonl, compare.json or contributions.json; "
        + "give the 'output' folder of a recipe"
    }
  }
}
