import Storage

/// The machine that a run is on: the member `machine` of the event `start`.
public struct MachineRecord: JSONRecord {
  /// The processor's name as the system gives it.
  public var processor: String
  /// Processors that the process may use.
  public var cores: Int
  /// Memory of the machine; nil if unknown.
  public var memoryBytes: Int?

  public init(processor: String, cores: Int, memoryBytes: Int?) {
    self.processor = processor
    self.cores = cores
    self.memoryBytes = memoryBytes
  }

  /// Nil without a processor.
  public init?(_ json: JSONValue) {
    guard let processor = json["processor"]?.string else { return nil }
    self.init(
      processor: processor, cores: json.int("cores"), memoryBytes: json["memory_bytes"]?.int)
  }

  public var json: JSONValue {
    [
      "processor": .string(processor), "cores": .int(cores),
      "memory_bytes": .optional(memoryBytes),
    ]
  }
}
