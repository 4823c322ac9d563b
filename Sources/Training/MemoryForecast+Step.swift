import Compilation
import Execution
import Programs
import Records

extension MemoryForecast {
  /// Bytes that a run takes outside arena and weights after it was planned, whatever its step: for
  /// events, for saving and for progress.
  public static let growth = 1_900_000

  /// Bytes that binding a step's programs takes for each of their calls.
  private static let boundBytesPerCall = 1_100

  /// Bytes that a compiled step takes for each call of its programs.
  private static let compiledBytesPerCall = 700

  /// Bytes that a compiled step takes, which a process that has compiled it holds already.
  public static func compiledBytes(of step: CompiledStep) -> Int {
    step.programs.reduce(0) { $0 + compiledBytesPerCall * $1.calls.count }
  }

  /// Bytes that binding a step's programs takes.
  private static func bindingBytes(of step: CompiledStep) -> Int {
    step.programs.reduce(0) { $0 + boundBytesPerCall * $1.calls.count }
  }

  /// The memory forecast of a compiled step.
  ///
  /// - Parameters:
  ///   - runtimeBytes: the process's memory without arena, weights and bound programs.
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
    // bytes that only the other programs need; and what is outside the arena.
    workspace =
      arena - (plan.total - plan.mappedWeights) + plan.workspace + runtimeBytes
      + Self.bindingBytes(of: step) + measuring
  }

  /// Bytes of a step's arena and mapped weights, and of its bound programs.
  public static func bytes(of step: CompiledStep, threads: Int) -> Int {
    step.arenaBytes(threads: threads) + step.mappedWeightBytes + bindingBytes(of: step)
  }
}
