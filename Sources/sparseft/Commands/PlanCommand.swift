import ArgumentParser
import Runs

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says how much memory and time a run will take, without training.",
    discussion: """
      Memory is that of the compiled step; time is measured by running the step a few times on the \
      first windows, at a learning rate of zero.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Print the graph after every stage of the compiler, and the program.")
  var stages = false

  @Flag(help: "Time every kernel of one step.")
  var profile = false

  @Flag(help: "Print how each matmul is computed, and how long its variants took.")
  var products = false

  @Flag(help: "Print what multiplying integers would cost the loss, by kind of matrix.")
  var precision = false

  @Flag(help: "Print the flash and the memory that a device without an operating system needs.")
  var device = false

  func run() throws {
    let prepared = try PreparedRun(recipe: arguments.recipe, overrides: arguments.overrides)
    for line in prepared.textLines { Output.note(line) }
    let run = try PlannedRun(
      prepared, try MethodDecision(unmeasured: prepared), keepsStages: stages)
    if stages {
      for stage in run.step.training.stages { Output.print("== \(stage.name)\n\(stage.text)\n") }
    } else if profile {
      Output.print(KernelTable(try run.profile()).text)
    } else if precision {
      Output.print(PrecisionTable(run: run, costs: try run.quantisationCosts()).text)
    } else if device {
      let plan = try DevicePlan(run)
      if arguments.json { Output.print(plan.json) } else { Output.print(plan.text) }
    } else if products {
      Output.print(ProductTable(decisions: try run.productDecisions()).text)
    } else {
      let report = try PlanReport(run)
      if arguments.json { Output.print(report.json) } else { report.show() }
    }
  }
}
