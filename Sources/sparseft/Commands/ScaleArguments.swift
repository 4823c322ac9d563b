import ArgumentParser
import Tensors

/// What deltas are multiplied by.
enum ScaleChoice: ExpressibleByArgument {
  /// What is best on given text within a guard.
  case auto
  case factor(Double)

  init?(argument: String) {
    if argument == "auto" {
      self = .auto
    } else if let factor = Double(argument) {
      self = .factor(factor)
    } else {
      return nil
    }
  }

  var defaultValueDescription: String {
    switch self {
    case .auto: "auto"
    case .factor(let factor): formatted(factor, decimals: 1)
    }
  }
}

/// Arguments of `--scale auto`.
struct ScaleArguments: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "With --scale auto, text or .jsonl rows whose loss is to be low.", valueName: "path"),
    completion: .file())
  var data: [String] = []

  @Option(
    name: .customLong("guard"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "With --scale auto, text or .jsonl rows whose loss must not rise much.", valueName: "path"),
    completion: .file())
  var guarded: [String] = []

  @Option(help: "With --guard, by how much its loss may rise above the base's, in nats per token.")
  var maxLossIncrease = 0.1

  @Option(help: "With --scale auto, tokens per window.")
  var sequenceLength = 256

  @Option(help: "With --scale auto, worker threads.")
  var threads = 2

  func validate() throws {
    guard (1...1_048_576).contains(sequenceLength) else {
      throw ValidationError("--sequence-length takes 1 to 1048576")
    }
    guard maxLossIncrease >= 0, maxLossIncrease <= 100 else {
      throw ValidationError("--max-loss-increase takes 0 to 100")
    }
  }
}
