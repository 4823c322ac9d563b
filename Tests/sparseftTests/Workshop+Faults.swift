import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

extension Workshop {
  /// Whether every fault is tried (`make faults`), or a sample of them.
  static let triesAllFaults = getenv("SPARSEFT_ALL_FAULTS") != nil

  /// Compiles a C file of the folder `Faults`.
  ///
  /// - Returns: the path of the library or program.
  func compileFault(_ source: String, _ flags: String) throws -> String {
    let path = SharedData.packageRoot + "/Tests/sparseftTests/Faults/\(source).c"
    let output = folder["tool-\(source)"]
    try #require(try shell("clang -O1 -Wall -Werror \(flags) '\(path)' -o '\(output)'") == 0)
    return output
  }

  /// Checks what a run with a fault left in the folder `run`: the losses of a whole run, at once or
  /// after going on from what is there, and snapshots that a model can be had from.
  ///
  /// - Parameters:
  ///   - arguments: of the run.
  ///   - losses: those of a run without a fault.
  func expectWhole(
    after outcome: Outcome, _ arguments: [String], losses: [Int: Double], _ place: Testing.Comment
  ) throws {
    guard outcome.exitCode != 0 else {
      #expect(try self.losses() == losses, place)
      return
    }
    let resuming = Folder.exists(folder["run/last/state.sfstate"])
    try succeed(arguments + (resuming ? ["--resume"] : []))
    #expect(try self.losses() == losses, place)
    for name in ["best", "last"] {
      try succeed([
        "eval", "--model", "tiny.sfckpt", "--delta", "run/\(name)/trained.sfdelta", "--data",
        "text.txt",
      ])
    }
  }
}
