import Compilation
import Execution
import Programs
import Tensors

/// The bytes that a run will have resident at its peak, known before its first step.
///
/// The arena's parts are exact. Frozen weights are mapped from the checkpoint and count whole: a
/// step reads all of them. `runtime` is what the process holds apart from both (code, libraries,
/// tokenizer, the product library's buffers), measured when the plan is made. Where tensors or rates
/// are decided by probes, the peak is that of the largest of them if it takes more than the run.
public struct MemoryForecast: Hashable, Sendable {
  /// Frozen weights where they are mapped, and copies of trained ones.
  public var weights: Int
  public var activations: Int
  public var gradients: Int
  public var optimizer: Int
  /// Scratch of operations and threads, what placing wastes, and the runtime.
  public var workspace: Int
  /// The part of `workspace` outside the arena.
  public var runtime: Int
  /// The part of `workspace` that only what is measured before the run needs: its largest probe may
  /// take more than the run.
  public var measuring: Int
  /// The arena alone: allocated at once, never grown.
  public var arena: Int

  /// All of it.
  public var total: Int { weights + activations + gradients + optimizer + workspace }

  /// - Parameters:
  ///   - runtimeBytes: what the process holds without arena and weights.
  ///   - measuringBytes: arena and mapped weights of the largest probe before the run; 0 for none.
  public init(_ step: CompiledStep, threads: Int, runtimeBytes: Int, measuringBytes: Int = 0) {
    let plan = step.training.memory
    arena = step.arenaBytes(threads: threads)
    weights = plan.parameters + step.mappedWeightBytes
    activations = plan.activations
    gradients = plan.gradients
    optimizer = plan.optimizer
    runtime = runtimeBytes
    measuring = max(0, measuringBytes - Self.bytes(of: step, threads: threads))
    // What the training program leaves of the arena: threads' scratch, and room that only the
    // other programs need.
    workspace =
      arena - (plan.total - plan.mappedWeights) + plan.workspace + runtimeBytes
      + measuring
  }

  /// Arena and mapped weights of a step.
  public static func bytes(of step: CompiledStep, threads: Int) -> Int {
    step.arenaBytes(threads: threads) + step.mappedWeightBytes
  }
}
