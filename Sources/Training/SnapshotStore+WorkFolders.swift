import Storage

// Snapshots in temporary folders: which files are written there, and so which may be removed.
extension WorkFolder.Contents {
  /// States whose validation is due, named by their steps, and reports of these.
  static let pendingStates = WorkFolder.Contents(isFile: { name in
    SnapshotStore.pendingStep(name) != nil || name == SnapshotStore.reportsName
  })

  private static let snapshot = WorkFolder.Contents(isFile: { name in
    SnapshotStore.fileNames.contains(name)
  })

  /// Stores of several runs, in folders named by numbers.
  public static let numberedStores = WorkFolder.Contents(folder: { name in
    name.allSatisfy { ("0"..."9").contains($0) } ? store : nil
  })

  /// One store's folder.
  private static let store = WorkFolder.Contents(folder: { name in
    switch name {
    case "last", "best": snapshot
    case "pending": pendingStates
    default: nil
    }
  })
}
