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
      Bytes are those of the compiled step; time comes from running it a few times on the first \
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
    let seconds = Seconds(
      step: probe.secondsPerStep(),
      validation: run.corpus.validation.map { probe.secondsPerValidation(of: $0) } ?? 0,
      settings: run.settings)
    if arguments.json {
      Output.print(json(run, seconds))
    } else {
      show(run, seconds)
    }
  }

  /// Measured seconds, and what they make of the whole run.
  private struct Seconds {
    var step: Double
    /// One pass over the validation text.
    var validation: Double
    var settings: TrainingSettings

    var total: Double {
      step * Double(settings.steps) + validation * Double(settings.validations)
    }
    var tokensPerSecond: Double { Double(settings.shape.tokensPerStep) / max(step, 1e-9) }
  }

  private func json(_ run: PreparedRun, _ seconds: Seconds) -> JSONValue {
    [
      "type": "plan", "planned_bytes": run.forecast.json,
      "flops_per_token": .number(run.flopsPerToken),
      "full_flops_per_token": .number(run.fullFlopsPerToken),
      "trainable_parameters": .int(run.step.trainableParameters),
      "total_parameters": .int(run.step.totalParameters), "steps": .int(run.settings.steps),
      "tokens_per_step": .int(run.settings.shape.tokensPerStep),
      "step_seconds": .number(seconds.step), "validation_seconds": .number(seconds.validation),
      "tokens_per_second": .number(seconds.tokensPerSecond), "seconds": .number(seconds.total),
      "choice": run.choice.map { .string($0) } ?? .null,
    ]
  }

  private func show(_ run: PreparedRun, _ seconds: Seconds) {
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
    Output.print(
      """

      arithmetic: \(Format.count(run.flopsPerToken)) operations per token, \
      \(Format.percent(run.flopsPerToken / max(1, run.fullFlopsPerToken))) of full fine-tuning's
      time: \(formatted(seconds.step, decimals: 3)) s per step of \(shape.tokensPerStep) tokens \
      (\(Format.count(seconds.tokensPerSecond)) tokens/s), \
      \(formatted(seconds.validation, decimals: 1)) s per validation; \(run.settings.steps) steps \
      with \(run.settings.validations) validations take about \(Format.duration(seconds.total))
      """)
  }
}
