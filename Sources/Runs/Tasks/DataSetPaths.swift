import Datasets

/// What is scored as one data set.
public enum DataSetPaths: Hashable, Sendable {
  /// A file of a task's items.
  case task(String)
  /// Files, folders or globs of text.
  case texts([String])

  /// Tasks each by itself, and the texts together, in the order in which they come first.
  ///
  /// - Parameter each: texts are data sets of their own, too.
  public static func sets(of paths: [String], each: Bool) -> [DataSetPaths] {
    var sets: [DataSetPaths] = []
    for path in paths {
      if TaskFile.isTask(path) {
        sets.append(.task(path))
      } else if !each, let index = sets.firstIndex(where: \.isText),
        case .texts(let others) = sets[index]
      {
        sets[index] = .texts(others + [path])
      } else {
        sets.append(.texts([path]))
      }
    }
    return sets
  }

  public var isText: Bool {
    if case .texts = self { true } else { false }
  }
}
