import Storage

/// The run about to start: the event `start`.
public struct RunDescription: JSONRecord {
  public var model: String
  /// The method's `type`.
  public var method: String
  /// The method's label in reports.
  public var label: String
  /// Description of how the trained tensors were chosen.
  public var choice: String?
  public var trainableParameters: Int
  public var totalParameters: Int
  public var steps: Int
  public var threads: Int
  public var instructionSet: String
  /// Description of the element types of weights and arithmetic.
  public var precision: String
  /// Version of the program.
  public var version: String
  /// Peak learning rate of the schedule.
  public var learningRate: Double
  /// Number of frozen lowest blocks; their outputs for a window never change during the run.
  public var frozenBlocks: Int
  /// Disk bytes available for caching these outputs; 0 if they are not cached.
  public var prefixCacheBytes: Int
  /// Description of how rows of JSON Lines were written; nil for plain text.
  public var rows: String?
  /// How much text trains and is held out; nil where an earlier version did not say.
  public var text: TextAmounts?
  /// Seconds of the measurements before the run, even if an earlier run made them.
  public var analysisSeconds: Double
  /// Nil where an earlier version did not say.
  public var machine: MachineRecord?

  public init(
    model: String, method: String, label: String, choice: String?, trainableParameters: Int,
    totalParameters: Int, steps: Int, threads: Int, instructionSet: String, precision: String,
    version: String, learningRate: Double, frozenBlocks: Int = 0, prefixCacheBytes: Int = 0,
    analysisSeconds: Double = 0, rows: String? = nil, text: TextAmounts? = nil,
    machine: MachineRecord? = nil
  ) {
    self.machine = machine
    self.text = text
    self.rows = rows
    self.model = model
    self.method = method
    self.label = label
    self.choice = choice
    self.trainableParameters = trainableParameters
    self.totalParameters = totalParameters
    self.steps = steps
    self.threads = threads
    self.instructionSet = instructionSet
    self.precision = precision
    self.version = version
    self.learningRate = learningRate
    self.frozenBlocks = frozenBlocks
    self.prefixCacheBytes = prefixCacheBytes
    self.analysisSeconds = analysisSeconds
  }
}

extension RunDescription {
  public var json: JSONValue {
    var object: JSONObject = [
      "type": "start", "model": .string(model), "method": .string(method),
      "label": .string(label), "choice": .optional(choice),
      "trainable_parameters": .int(trainableParameters),
      "total_parameters": .int(totalParameters), "steps": .int(steps), "threads": .int(threads),
      "instruction_set": .string(instructionSet), "precision": .string(precision),
      "learning_rate": .number(learningRate), "version": .string(version),
      "frozen_blocks": .int(frozenBlocks), "prefix_cache_bytes": .int(prefixCacheBytes),
      "analysis_seconds": .number(analysisSeconds),
    ]
    if let rows { object["rows"] = .string(rows) }
    for (key, value) in text?.members ?? [] { object[key] = value }
    if let machine { object["machine"] = machine.json }
    return .object(object)
  }

  public init(_ json: JSONValue) {
    self.init(
      model: json.string("model"), method: json.string("method"), label: json.string("label"),
      choice: json["choice"]?.string, trainableParameters: json.int("trainable_parameters"),
      totalParameters: json.int("total_parameters"), steps: json.int("steps"),
      threads: json.int("threads"), instructionSet: json.string("instruction_set"),
      precision: json.string("precision"), version: json.string("version"),
      learningRate: json.double("learning_rate"), frozenBlocks: json.int("frozen_blocks"),
      prefixCacheBytes: json.int("prefix_cache_bytes"),
      analysisSeconds: json.double("analysis_seconds"), rows: json["rows"]?.string,
      text: TextAmounts(json), machine: json["machine"].flatMap { MachineRecord($0) })
  }
}
