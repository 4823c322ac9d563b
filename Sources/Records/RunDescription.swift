import Storage

/// What is about to run: the event `start`.
public struct RunDescription: JSONRecord {
  public var model: String
  /// The method's `type`.
  public var method: String
  /// What people call the method.
  public var label: String
  /// How the trained tensors were chosen, in words.
  public var choice: String?
  public var trainableParameters: Int
  public var totalParameters: Int
  public var steps: Int
  public var threads: Int
  public var instructionSet: String
  /// Types of the weights and of the arithmetic, in words.
  public var precision: String
  /// Of the program.
  public var version: String
  /// The schedule's peak.
  public var learningRate: Double
  /// Lowest blocks whose outputs are the same for a window whenever it comes.
  public var frozenBlocks: Int
  /// Bytes on disk that keeping these outputs may take; 0 where nothing is kept.
  public var prefixCacheBytes: Int
  /// Seconds of what was measured before the run, also where an earlier run did so.
  public var analysisSeconds: Double

  public init(
    model: String, method: String, label: String, choice: String?, trainableParameters: Int,
    totalParameters: Int, steps: Int, threads: Int, instructionSet: String, precision: String,
    version: String, learningRate: Double, frozenBlocks: Int = 0, prefixCacheBytes: Int = 0,
    analysisSeconds: Double = 0
  ) {
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
    [
      "type": "start", "model": .string(model), "method": .string(method),
      "label": .string(label), "choice": .optional(choice),
      "trainable_parameters": .int(trainableParameters),
      "total_parameters": .int(totalParameters), "steps": .int(steps), "threads": .int(threads),
      "instruction_set": .string(instructionSet), "precision": .string(precision),
      "learning_rate": .number(learningRate), "version": .string(version),
      "frozen_blocks": .int(frozenBlocks), "prefix_cache_bytes": .int(prefixCacheBytes),
      "analysis_seconds": .number(analysisSeconds),
    ]
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
      analysisSeconds: json.double("analysis_seconds"))
  }
}
