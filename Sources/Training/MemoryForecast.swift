import Compilation
import Execution
import Programs
import Tensors

/// The bytes that a run will have resident at its peak, known before its first step.
///
/// The arena's parts are exact. Frozen weights are mapped from the checkpoint and count whole: a
/// step reads all of them. `runtime` is what the process holds apart from both (code, libraries,
/// tokenizer, the product library's buffers), measured when the plan is made.
public struct MemoryForecast: Hashable, Sendable {
  /// Frozen weights where they are mapped, and f32 copies of trained ones.
  public var weights: Int
  public var activations: Int
  public var gradients: Int
  public var optimizer: Int
  /// Scratch of operations and threads, what placing wastes, and the runtime.
  public var workspace: Int
  /// The part of `workspace` outside the arena.
  public var runtime: Int
  /// The arena alone: allocated at once, never grown.
  public var arena: Int

  /// All of it.
  public var total: Int { weights + activations + gradients + optimizer + workspace }

  /// - Parameter runtimeBytes: what the process holds without arena and weights.
  public init(_ step: CompiledStep, threads: Int, runtimeBytes: Int) {
    let plan = step.training.memory
    arena = step.arenaBytes(threads: threads)
    weights = plan.parameters + plan.mappedWeights
    activations = plan.activations
    gradients = plan.gradients
    optimizer = plan.optimizer
    runtime = runtimeBytes
    // What the training program leaves of the arena: threads' scratch, and room that only
    // validation needs.
    workspace = arena - (plan.total - plan.mappedWeights) + plan.workspace + runtimeBytes
  }
}
