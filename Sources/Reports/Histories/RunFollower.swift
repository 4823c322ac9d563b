import Records
import Storage

/// Follows the newest run in a folder: its own, or that of a comparison's method which is at work.
public struct RunFollower {
  public let folder: String
  public private(set) var history = RunHistory()
  private var reader: EventReader?
  private static let eventFile = "events.jsonl"

  public init(_ folder: String) { self.folder = folder }

  /// Reads what is new.
  ///
  /// - Returns: the new events; those of a run that has just begun from its first one on.
  /// - Throws: `StorageError` if the folder or its newest event file can't be read.
  public mutating func read() throws(StorageError) -> [RunEvent] {
    guard let path = try newest else { return [] }
    if reader?.path != path {
      reader = EventReader(path)
      history = RunHistory()
    }
    guard let (events, startsAnew) = try reader?.read() else { return [] }
    if startsAnew { history = RunHistory() }
    for event in events { history.add(event) }
    return events
  }

  /// Whether a process is at work in the folder.
  public var isAlive: Bool { FolderLock.isHeld(folder) }

  /// Whether there is a run to follow.
  public var hasRun: Bool { reader != nil }

  /// The event file that was written to last.
  private var newest: String? {
    get throws(StorageError) {
      let own = "\(folder)/\(Self.eventFile)"
      let members = try Folder.names("\(folder)/compare").map {
        "\(folder)/compare/\($0)/\(Self.eventFile)"
      }
      let dated = ([own] + members.sorted()).compactMap { path in
        Folder.modified(path).map { (path: path, time: $0) }
      }
      return dated.max { $0.time < $1.time }?.path
    }
  }
}
