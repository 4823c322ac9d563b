import Compilation
import Execution
import Programs
import Records

extension MemoryForecast {
  /// Bytes that a run takes outside arena and weights after it was planned: for events, for saving
  /// and for progress. Runs of models of 1.7 thousand to 134 million parameters took 1.7 to 2.1 MB.
  public static let growth = 1_900_000

  /// The memory forecast of a compiled step.
  ///
  /// - Parameters:
  ///   - runtimeBytes: the process's memory without arena and weights.
  ///   - measuringBytes: arena and mapped weights of the largest probe before the run; 0 for none.
  public init(_ step: CompiledStep, threads: Int, runtimeBytes: Int, measuringBytes: Int = 0) {
    self.init()
    let plan = step.training.memory
    arena = step.arenaBytes(threads: threads)
    weights = plan.parameters + step.mappedWeightBytes
    activations = plan.activations
    gradients = plan.gradients
    optimizer = plan.optimizer
    runtime = runtimeBytes
    measuring = max(0, measuringBytes - Self.bytes(of: step, threads: threads))
    // The part of the arena that the training program does not use: threads' scratch memory, and
    // bytes that only the other programs need.
    workspace =
      arena - (plan.total - plan.mappedWeights) + plan.workspace + runtimeBytes
      + measuring
  }

  /// Bytes of a step's arena and mapped weights.
  public static func bytes(of step: CompiledStep, threads: Int) -> Int {
    step.arenaBytes(threads: threads) + step.mappedWeightBytes
  }
}
