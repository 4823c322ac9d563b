import Storage

/// How long each kernel of a step took, timed call by call after the last step: the event `profile`.
///
/// The step is one of a single micro-batch, frozen blocks included.
public struct KernelTimes: JSONRecord {
  public var kernels: [Kernel]

  /// All calls of one kernel in one pass.
  public struct Kernel: JSONRecord {
    public var phase: String
    public var name: String
    public var calls: Int
    public var seconds: Double
    /// Floating-point operations; 0 for kernels that count none.
    public var flops: Int

    public init(phase: String, name: String, calls: Int, seconds: Double, flops: Int) {
      self.phase = phase
      self.name = name
      self.calls = calls
      self.seconds = seconds
      self.flops = flops
    }

    /// Nil without a name.
    public init?(_ json: JSONValue) {
      guard let name = json["kernel"]?.string else { return nil }
      self.init(
        phase: json.string("phase"), name: name, calls: json.int("calls"),
        seconds: json.double("seconds"), flops: json.int("flops"))
    }

    public var json: JSONValue {
      [
        "phase": .string(phase), "kernel": .string(name), "calls": .int(calls),
        "seconds": .number(seconds), "flops": .int(flops),
      ]
    }
  }

  public init(_ kernels: [Kernel]) { self.kernels = kernels }

  public init(_ json: JSONValue) { kernels = json.records("kernels") }

  public var json: JSONValue {
    ["type": "profile", "kernels": .array(kernels.map(\.json))]
  }
}
