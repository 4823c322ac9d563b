import Storage

/// Resident bytes of a run at its peak, planned before its first step.
///
/// The arena's parts are exact. Frozen weights are mapped from the checkpoint and counted in full,
/// since every step reads all of them. `runtime` is the process's other memory (code, libraries,
/// tokenizer, the matmul library's buffers), measured at planning time. If probes choose tensors or
/// learning rates and the largest probe needs more memory than the run, the peak is that probe's.
public struct MemoryForecast: JSONRecord {
  /// Mapped frozen weights, and copies of trained ones.
  public var weights = 0
  public var activations = 0
  public var gradients = 0
  public var optimizer = 0
  /// Scratch buffers of operations and threads, space lost in placing buffers, and `runtime`.
  public var workspace = 0
  /// The part of `workspace` outside the arena.
  public var runtime = 0
  /// The part of `workspace` needed only by measurements before the run, whose largest probe may
  /// take more memory than the run.
  public var measuring = 0
  /// The arena alone: allocated at once, never grown.
  public var arena = 0

  public init() {}

  /// Sum of all kinds; the largest number where a damaged file's kinds add up to more.
  public var total: Int {
    [weights, activations, gradients, optimizer, workspace].reduce(0) { sum, bytes in
      let (total, overflows) = sum.addingReportingOverflow(bytes)
      return overflows ? .max : total
    }
  }
}

extension MemoryForecast {
  /// Bytes by kind; `total` is the planned peak of the process.
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
