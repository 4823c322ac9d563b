import ArgumentParser
import Reports
import Storage
import Tensors
import Training

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says what a run will take, in bytes and time, without training.",
    discussion: """
      Bytes are those of the compiled step; time comes from running it once or twice on the first \
      windows, with a learning rate of zero.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Print the graph after every stage of the compiler, and the program.")
  var stages = false

  func run() throws {
    let run = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides, keepsStages: stages)
    if stages {
      for stage in run.step.training.stages { Output.print("== \(stage.name)\n\(stage.text)\n") }
      return
    }
    let session = try Session(
      run.step, weights: run.weights, pool: run.pool, kernels: run.kernels,
      seed: run.settings.seed)
    let probe = StepProbe(session, settings: run.settings, text: run.corpus.train)
    let seconds = probe.secondsPerStep()
    if arguments.json {
      Output.print(json(run, seconds))
    } else {
      show(run, seconds)
    }
  }

  private func json(_ run: PreparedRun, _ seconds: Double) -> JSONValue {
    [
      "type": "plan", "planned_bytes": run.forecast.json,
      "flops_per_token": .number(run.flopsPerToken),
      "full_flops_per_token": .number(run.fullFlopsPerToken),
      "trainable_parameters": .int(run.step.trainableParameters),
      "total_parameters": .int(run.step.totalParameters), "steps": .int(run.settings.steps),
      "tokens_per_step": .int(run.settings.shape.tokensPerStep),
      "step_seconds": .number(seconds),
      "tokens_per_second": .number(Double(run.settings.shape.tokensPerStep) / seconds),
      "seconds": .number(seconds * Double(run.settings.steps)),
      "choice": run.choice.map { .string($0) } ?? .null,
    ]
  }

  private func show(_ run: PreparedRun, _ seconds: Double) {
    let (memory, shape) = (run.forecast, run.settings.shape)
    Output.print(
      "\(run.recipe.method.displayLabel): trains \(Format.count(run.step.trainableParameters)) of "
        + "\(Format.count(run.step.totalParameters)) parameters")
    if let choice = run.choice { Output.print(choice) }
    Output.print("\nmemory at the peak: \(Format.bytes(memory.total))")
    let bars = MemoryBars([
      ("weights", memory.weights), ("activations", memory.activations),
      ("gradients", memory.gradients), ("optimizer", memory.optimizer),
      ("workspace", memory.workspace - memory.runtime), ("runtime", memory.runtime),
    ])
    Output.print(bars.text())
    let total = seconds * Double(run.settings.steps)
    Output.print(
      """

      arithmetic: \(Format.count(run.flopsPerToken)) operations per token, \
      \(Format.percent(run.flopsPerToken / max(1, run.fullFlopsPerToken))) of full fine-tuning's
      time: \(formatted(seconds, decimals: 3)) s per step of \(shape.tokensPerStep) tokens \
      (\(Format.count(Double(shape.tokensPerStep) / seconds)) tokens/s), \
      \(run.settings.steps) steps in about \(Format.duration(total)), validation not counted
      """)
  }
}
