import ArgumentParser
import Reports
import Storage
import Tensors
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// Maps errors to exit codes (sysexits); the only place that does.
enum ExitStatus {
  static func code(for category: FailureCategory) -> Int32 {
    switch category {
    case .usage: 64
    case .badData: 65
    case .missingInput: 66
    case .bug: 70
    case .cannotCreate: 73
    case .inputOutput: 74
    }
  }

  /// The failure category of an exit code of this program; a signal is a bug.
  static func category(of code: Int32) -> FailureCategory {
    let all: [FailureCategory] = [
      .usage, .badData, .missingInput, .bug, .cannotCreate, .inputOutput,
    ]
    return all.first { self.code(for: $0) == code } ?? .bug
  }

  /// Prints the error message and ends the process.
  static func end(with error: any Error) -> Never {
    if case TrainingError.interrupted = error {
      Output.note("stopped")
      if let failure = Interruption.outputFailure { Output.note("error: \(failure.description)") }
      exit(Interruption.exitCode)
    }
    guard let failure = error as? any Failure else { Sparseft.exit(withError: error) }
    Terminal.standardError.write("error: \(failure.description.printableLines())\n")
    exit(code(for: failure.category))
  }
}

/// An error in a command's arguments beyond what the parser checks.
enum CommandError: Failure {
  case notARun(path: String)
  /// A folder without events that nobody works in.
  case nothingToWatch(path: String)
  case unknownModel(path: String)
  /// A process for a member of a comparison could not be started.
  case noChild(reason: String)
  case resultLost(reason: String)

  var category: FailureCategory {
    switch self {
    case .notARun, .nothingToWatch: .missingInput
    case .unknownModel: .usage
    case .noChild, .resultLost: .inputOutput
    }
  }

  var description: String {
    switch self {
    case .notARun(let path):
      "'\(path)' is neither a run's folder with a snapshot in best/ nor a snapshot; "
        + "give the 'output' folder of a finished run"
    case .nothingToWatch(let path):
      "'\(path)' holds no run: no events.jsonl, and no process at work; "
        + "give the 'output' folder of a recipe"
    case .unknownModel(let path):
      "'\(path)' does not say where the model is that it was trained on, and lies in no run's folder; "
        + "name the checkpoint with --model"
    case .noChild(let reason):
      "starting a process for a member of the comparison: \(reason); try again when fewer "
        + "processes and files are open"
    case .resultLost(let reason):
      "writing the result to standard output: \(reason); \(writingAdvice(reason))"
    }
  }
}
