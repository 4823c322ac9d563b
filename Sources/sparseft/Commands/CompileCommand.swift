import ArgumentParser
import Reports
import Runs
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

struct CompileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compile",
    abstract: "Writes a run as C sources, for machines without Swift.",
    discussion: """
      The folder holds the compiled step, the text as tokens and a program that trains, with the \
      step's own kernels only; 'make' there needs a C compiler. What the recipe leaves open is \
      decided here. See docs/embedded.md.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Option(name: .shortAndLong, help: "The folder to write.", completion: .directory)
  var output: String

  @Option(help: "The machine to build for.")
  var target: DeviceTarget = .host

  @Option(
    help: """
      The instruction set of the kernels (host: this machine's best; aarch64, armhf: neon; \
      others: portable).
      """)
  var isa: String?

  func run() throws {
    let sources = try RuntimeSources(program: ProgramPath.own)
    let overrides =
      arguments.overrides
      + (try TrainingBinary.overrides(
        recipe: arguments.recipe, arguments.overrides, target: target, instructionSet: isa))
    Interruption.listen()
    let prepared = try PreparedRun(
      recipe: arguments.recipe, overrides: overrides, shouldStop: { Interruption.isRequested })
    PrivateOutput.follow(prepared)
    Interruption.measure()
    let progress = AnalysisLine(isQuiet: arguments.json)
    let decision = try MethodDecision(prepared, observe: progress.show)
    progress.finish()
    let binary = try TrainingBinary(
      PlannedRun(prepared, decision), target: target, instructionSet: isa, sources: sources)
    prepared.forgetCandidates()
    let report = try binary.write(to: output)
    if arguments.json {
      Output.print([
        "folder": .string(output), "target": .string(target.rawValue),
        "instruction_set": .string(report.instructionSet),
        "bundle_bytes": .int(report.bundleBytes), "text_bytes": .int(report.textBytes),
        "kernels": .array(report.kernels.map { .string($0) }),
      ])
      return
    }
    Output.note(
      "\(output): a step of \(report.kernels.count) kernels (\(report.instructionSet)) in "
        + "\(ByteCount(report.bundleBytes)), text in \(ByteCount(report.textBytes)); 'make' there, then "
        + "./train train.sfbundle with the model")
  }
}

extension DeviceTarget: ExpressibleByArgument {}
