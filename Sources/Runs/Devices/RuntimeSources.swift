import Storage

/// The C sources of kernels and executor: beside the program's binary where it was built, and in
/// `share/sparseft/runtime` where it was installed.
public struct RuntimeSources: Sendable {
  /// The folder that holds `CKernels` and `CRuntime`.
  let folder: String

  /// - Parameter program: the program's own path.
  /// - Throws: `RunsError.noSources` where there are none near it.
  public init(program: String) throws(RunsError) {
    var parts = program.split(separator: "/")[...]
    var candidates: [String] = []
    while parts.popLast() != nil, !parts.isEmpty {
      let parent = "/" + parts.joined(separator: "/")
      candidates += ["\(parent)/share/sparseft/runtime", "\(parent)/Sources"]
    }
    guard let folder = candidates.first(where: Self.hasSources) else {
      throw .noSources(program: program)
    }
    self.folder = folder
  }

  private static func hasSources(_ folder: String) -> Bool {
    Folder.exists("\(folder)/CKernels/kernel.h") && Folder.exists("\(folder)/CRuntime/train/main.c")
  }

  /// A source by its path below the folder and below that of a training binary.
  struct File {
    var path: String
    var copy: String
  }

  /// All sources, and the folders that their copies need, each behind the one that it is in.
  func files() throws(StorageError) -> (files: [File], folders: [String]) {
    var files: [File] = []
    var folders: [String] = []
    func add(_ path: String, as copy: String) throws(StorageError) {
      folders.append(copy)
      for name in try Folder.names("\(folder)/\(path)").sorted() {
        if Folder.isFolder("\(folder)/\(path)/\(name)") {
          try add("\(path)/\(name)", as: "\(copy)/\(name)")
        } else if [".c", ".h", ".inc", ".def"].contains(where: name.hasSuffix) {
          files.append(File(path: "\(path)/\(name)", copy: "\(copy)/\(name)"))
        }
      }
    }
    try add("CKernels", as: "kernels")
    try add("CRuntime", as: "runtime")
    return (files, folders)
  }

  func bytes(of file: File) throws(StorageError) -> [UInt8] {
    let mapped = try MappedFile(path: "\(folder)/\(file.path)")
    return withExtendedLifetime(mapped) { Array(mapped.bytes) }
  }
}
