import Datasets
import Execution
import Recipes
import Records
import Reports
import Storage
import Tensors
import Training

/// Scores several data sets, texts and tasks, with several models of one base.
public struct SideBySide {
  /// A model by name: the base with deltas added up.
  public struct Model: Sendable {
    public var name: String
    public var deltas: [String]

    public init(name: String, deltas: [String]) {
      self.name = name
      self.deltas = deltas
    }
  }

  /// How data are read and scored.
  public struct Settings: Sendable {
    /// Windows scored at a time, and tokens in a window of text.
    public var shape: BatchShape
    public var separator: String?
    public var trainOn = TrainOnRecipe.completions
    /// As of `TextEvaluation.score`, for texts; tasks are plain text unless it names a template or is
    /// `ChatChoice.own`.
    public var chatTemplate: String?
    /// What stands between a task's prompt and its continuation where neither has white space.
    public var delimiter = " "
    /// Texts that end a greedy text.
    public var stops = ["\n\n"]
    /// Tokens of a greedy text at most.
    public var maxTokens = 256
    public var threads: Int
    public var precision: PrecisionChoice

    public init(shape: BatchShape, threads: Int, precision: PrecisionChoice) {
      self.shape = shape
      self.threads = threads
      self.precision = precision
    }
  }

  public let base: String
  public let models: [Model]
  public let settings: Settings
  let say: (String) -> Void
  let shouldStop: () -> Bool

  /// - Parameters:
  ///   - base: the checkpoint's path.
  ///   - models: at least one; differences are to the first.
  ///   - say: called with how data are read, and with each warning.
  ///   - shouldStop: asked before every batch and token.
  public init(
    base: String, models: [Model], settings: Settings, say: @escaping (String) -> Void = { _ in },
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.base = base
    self.models = models
    self.settings = settings
    self.say = say
    self.shouldStop = shouldStop
  }

  /// Scores all data with one model after the other.
  ///
  /// - Parameters:
  ///   - sets: the data sets.
  ///   - items: called with a line for each item and model.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop; what reading the data and loading
  ///   the models throws.
  public func table(
    _ sets: [DataSetPaths], items: (JSONValue) -> Void = { _ in }
  ) throws -> EvaluationTable {
    var data: [PreparedData] = []
    var outcomes = sets.map { _ in [[ItemOutcome]]() }
    var precision = ""
    for choice in models {
      let model = try LoadedModel(
        base, deltas: choice.deltas, threads: settings.threads, precision: settings.precision)
      precision = model.precision.base.rawValue
      if data.isEmpty {
        say("precision: \(precision) products")
        data = try sets.map { try prepare($0, model) }
      }
      for (index, set) in data.enumerated() {
        let found = try self.outcomes(of: set, model)
        for (item, outcome) in found.enumerated() {
          items(line(set, item, choice.name, outcome))
        }
        outcomes[index].append(found)
      }
    }
    let scored = zip(data, outcomes).map(Self.dataSet)
    return EvaluationTable(
      models: models.map(\.name), data: scored, precision: precision,
      peakResidentBytes: ProcessMemory.peakResidentBytes)
  }
}
