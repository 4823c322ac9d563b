import ArgumentParser
import Datasets
import Execution
import Programs
import Reports
import Storage
import Tensors
import Training

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says what a run will take, in bytes and time, without training.",
    discussion: """
      Bytes are those of the compiled step; time comes from running it a few times on the first \
      windows, with a learning rate of zero.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Print the graph after every stage of the compiler, and the program.")
  var stages = false

  @Flag(help: "Time each kernel of one step.")
  var profile = false

  @Flag(help: "Print how each product is computed, and what each way took.")
  var products = false

  func run() throws {
    let prepared = try PreparedRun(recipe: arguments.recipe, overrides: arguments.overrides)
    let run = try PlannedRun(
      prepared, try MethodDecision(unmeasured: prepared), keepsStages: stages)
    if stages {
      for stage in run.step.training.stages { Output.print("== \(stage.name)\n\(stage.text)\n") }
      return
    }
    let session = try run.makeSession()
    if profile {
      let probe = StepProbe(session, settings: run.settings, text: prepared.corpus.train)
      Output.print(KernelTable(probe.profile()).text)
      return
    }
    let decisions = prepared.kernels.tuner?.decisions(in: session.programs) ?? []
    if products {
      Output.print(ProductTable(decisions: decisions).text)
      return
    }
    let seconds = PlannedSeconds(
      measure(session, run), settings: run.settings, corpus: prepared.corpus)
    let report = PlanReport(
      run: run, seconds: seconds, rates: try PlannedRates(run, seconds),
      waterfall: try MemoryWaterfall(
        prepared.compiler, adaptation: run.decision.adaptation, recomputed: run.step.recomputed,
        threads: prepared.pool.threads, runtimeBytes: run.forecast.runtime),
      products: decisions)
    if arguments.json { Output.print(report.json) } else { report.show() }
  }

  /// Seconds of a step and of a pass over the validation text: when windows come for the first
  /// time, and when a cache has what the frozen blocks make of them.
  private func measure(_ session: Session, _ run: PlannedRun) -> [(step: Double, pass: Double)] {
    let probe = StepProbe(session, settings: run.settings, text: run.prepared.corpus.train)
    func probed() -> (step: Double, pass: Double) {
      (
        probe.secondsPerStep(),
        run.prepared.corpus.validation.map { probe.secondsPerValidation(of: $0) } ?? 0
      )
    }
    let first = probed()
    session.prefixCaches = run.makePrefixCaches().caches
    return [first, session.prefixCaches.isEmpty ? first : probed()]
  }
}
