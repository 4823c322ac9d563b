import Storage

/// The bytes that a run will have resident at its peak, known before its first step.
///
/// The arena's parts are exact. Frozen weights are mapped from the checkpoint and count whole: a
/// step reads all of them. `runtime` is what the process holds apart from both (code, libraries,
/// tokenizer, the product library's buffers), measured when the plan is made. Where tensors or rates
/// are decided by probes, the peak is that of the largest of them if it takes more than the run.
public struct MemoryForecast: JSONRecord {
  /// Frozen weights where they are mapped, and copies of trained ones.
  public var weights = 0
  public var activations = 0
  public var gradients = 0
  public var optimizer = 0
  /// Scratch of operations and threads, what placing wastes, and the runtime.
  public var workspace = 0
  /// The part of `workspace` outside the arena.
  public var runtime = 0
  /// The part of `workspace` that only what is measured before the run needs: its largest probe may
  /// take more than the run.
  public var measuring = 0
  /// The arena alone: allocated at once, never grown.
  public var arena = 0

  public init() {}

  /// All of it.
  public var total: Int { weights + activations + gradients + optimizer + workspace }
}

extension MemoryForecast {
  /// Bytes by kind; `total` is what the process should peak at.
  public var json: JSONValue {
    [
      "weights": .int(weights), "activations": .int(activations), "gradients": .int(gradients),
      "optimizer": .int(optimizer), "workspace": .int(workspace), "total": .int(total),
      "arena": .int(arena), "runtime": .int(runtime), "measuring": .int(measuring),
    ]
  }

  public init(_ json: JSONValue) {
    weights = json.int("weights")
    activations = json.int("activations")
    gradients = json.int("gradients")
    optimizer = json.int("optimizer")
    workspace = json.int("workspace")
    runtime = json.int("runtime")
    measuring = json.int("measuring")
    arena = json.int("arena")
  }
}
