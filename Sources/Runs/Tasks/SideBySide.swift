import Chats
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
    /// `ownTemplate`.
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

  /// The template name that stands for the model's own.
  public static let ownTemplate = "own"

  public let base: String
  public let models: [Model]
  public let settings: Settings
  private let say: (String) -> Void
  private let shouldStop: () -> Bool

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
  ///   - paths: the data sets: tasks each by itself, and every list of texts.
  ///   - items: called with a line for each item and model.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop; what reading the data and loading
  ///   the models throws.
  public func table(
    _ paths: [[String]], items: (JSONValue) -> Void = { _ in }
  ) throws -> EvaluationTable {
    var data: [PreparedData] = []
    var outcomes = paths.map { _ in [[ItemOutcome]]() }
    var precision = ""
    for choice in models {
      let model = try LoadedModel(
        base, deltas: choice.deltas, threads: settings.threads, precision: settings.precision)
      precision = model.precision.base.rawValue
      if data.isEmpty {
        say("precision: \(precision) products")
        data = try paths.map { try prepare($0, model) }
      }
      for (index, set) in data.enumerated() {
        let found = try self.outcomes(of: set, model)
        for (item, outcome) in found.enumerated() {
          items(line(set, item, choice.name, outcome))
        }
        outcomes[index].append(found)
      }
    }
    let sets = zip(data, outcomes).map(Self.dataSet)
    return EvaluationTable(
      models: models.map(\.name), data: sets, precision: precision,
      peakResidentBytes: ProcessMemory.peakResidentBytes)
  }
}

extension SideBySide {
  /// The data sets of given paths: tasks each by itself, and the texts together, in the order in
  /// which they come first.
  /// - Parameter each: texts are data sets of their own, too.
  public static func dataSets(_ paths: [String], each: Bool) -> [[String]] {
    var sets: [[String]] = []
    var texts: Int?
    for path in paths {
      if each || TaskFile.isTask(path) {
        sets.append([path])
      } else if let texts {
        sets[texts].append(path)
      } else {
        texts = sets.count
        sets.append([path])
      }
    }
    return sets
  }

  /// Whether a data set is a task.
  public static func isTask(_ paths: [String]) -> Bool {
    paths.count == 1 && paths.allSatisfy(TaskFile.isTask)
  }
}

/// A data set made ready to be scored.
private enum PreparedData {
  case text(name: String, Corpus)
  /// All continuations of all items in order, and the prompts of greedy texts.
  case task(TaskFile, [TaskSequence], prompts: [[Int32]], ends: [Int32])

  var name: String {
    switch self {
    case .text(let name, _): name
    case .task(let file, _, _, _): file.path
    }
  }
}

extension SideBySide {
  private func prepare(_ paths: [String], _ model: LoadedModel) throws -> PreparedData {
    guard let path = paths.first, Self.isTask(paths) else {
      let template = settings.chatTemplate == Self.ownTemplate ? nil : settings.chatTemplate
      let corpus = try TextEvaluation(model, shape: settings.shape).corpus(
        paths, separator: settings.separator, trainOn: settings.trainOn, chatTemplate: template,
        say: say)
      return .text(name: paths.joined(separator: " "), corpus)
    }
    let file = try TaskFile(path: path)
    let template = try taskTemplate(model)
    let context = model.weights.configuration.contextLength
    let encoder = TaskEncoder(
      tokenizer: model.tokenizer, template: template, delimiter: settings.delimiter,
      context: context, path: path)
    let sequences = try file.items.map { try encoder.sequences(of: $0) }
    let prompts =
      file.kind == .target
      ? try file.items.map { try encoder.prompt(of: $0, maxTokens: settings.maxTokens) } : []
    let full = sequences.joined().count { $0.ids.count > context }
    if full > 0 {
      say("\(path): \(full) texts fill the model's context; longer ones have lost their beginning")
    }
    let turn = template.flatMap { model.tokenizer.controlID($0.endOfTurn) }
    return .task(
      file, Array(sequences.joined()), prompts: prompts,
      ends: model.tokenizer.endsOfText + (turn.map { [$0] } ?? []))
  }

  /// The template of tasks' prompts; nil for plain text.
  private func taskTemplate(_ model: LoadedModel) throws -> ChatTemplate? {
    switch settings.chatTemplate {
    case nil:
      if model.weights.checkpoint.tokenizerSettings.chatTemplate != nil {
        say(
          "prompts are plain text, though the model has a chat template; --chat-template "
            + "\(Self.ownTemplate) writes them as a user's messages")
      }
      return nil
    case ChatChoice.none: return nil
    case let name?:
      let chats = try model.chats(name == Self.ownTemplate ? nil : name)
      say(chats.line)
      return try chats.forChats()
    }
  }

  private func outcomes(of data: PreparedData, _ model: LoadedModel) throws -> [ItemOutcome] {
    switch data {
    case .text(_, let corpus):
      return try TextEvaluation(model, shape: settings.shape).windowSums(
        of: corpus.train, shouldStop: shouldStop
      ).map { .window($0) }
    case .task(let file, let sequences, let prompts, let ends):
      let losses = try losses(of: sequences, model)
      var rest = losses[...]
      var rests = sequences[...]
      let texts =
        prompts.isEmpty
        ? nil
        : try GreedyTexts(
          model, longest: prompts.map(\.count).max() ?? 1, maxTokens: settings.maxTokens,
          stops: settings.stops, ends: ends)
      return try file.items.enumerated().map { index, item in
        let count = item.continuations.count
        defer { (rest, rests) = (rest.dropFirst(count), rests.dropFirst(count)) }
        switch item.question {
        case .choices(let choices, let answer):
          return ItemOutcome(rest.prefix(count).map { -$0 }, of: choices, answer: answer)
        case .target(let target):
          let sum = ScoredSum(
            loss: rest.first ?? 0, targets: rests.first.map { $0.ids.count - $0.scoredFrom } ?? 0)
          let found = try texts?.text(
            after: prompts[index], target: target, shouldStop: shouldStop)
          if shouldStop() { throw TrainingError.interrupted }
          return .target(sum, text: found?.text ?? "", isExact: found?.isTarget ?? false)
        }
      }
    }
  }

  private func losses(of sequences: [TaskSequence], _ model: LoadedModel) throws -> [Double] {
    let scores = SequenceScores(sequences)
    let shape = BatchShape(windows: settings.shape.windows, tokens: scores.windowLength)
    let session = try model.scoringSession(shape)
    guard let losses = scores.losses(session, unless: shouldStop) else {
      throw TrainingError.interrupted
    }
    if let broken = losses.first(where: { !$0.isFinite }) {
      throw TrainingError.brokenModel(loss: broken, weight: model.weights.brokenWeight)
    }
    return losses
  }

  private func line(
    _ data: PreparedData, _ item: Int, _ model: String, _ outcome: ItemOutcome
  ) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("data", .string(data.name)), ("model", .string(model)),
    ]
    switch data {
    case .text: members.append(("window", .int(item)))
    case .task(let file, _, _, _): members.append(("line", .int(file.items[item].line)))
    }
    return .object(JSONObject(members + outcome.members))
  }
}

extension SideBySide {
  /// - Parameter outcomes: of each model, item by item.
  private static func dataSet(
    _ data: PreparedData, _ outcomes: [[ItemOutcome]]
  ) -> EvaluationTable.DataSet {
    var set: EvaluationTable.DataSet
    switch data {
    case .text(let name, let corpus):
      set = .init(
        name: name, kind: "text", items: outcomes.first?.count ?? 0,
        tokens: corpus.train.scoredCount)
    case .task(let file, let sequences, _, _):
      set = .init(
        name: file.path, kind: file.kind.rawValue, items: file.items.count,
        tokens: sequences.reduce(0) { $0 + $1.ids.count - $1.scoredFrom })
    }
    let measures = outcomes.first?.first?.measures ?? []
    set.figures = outcomes.enumerated().map { index, own in
      measures.map { figure($0, own, minus: index == 0 ? nil : outcomes.first) }
    }
    return set
  }

  private static func figure(
    _ measure: ItemMeasure, _ own: [ItemOutcome], minus base: [ItemOutcome]?
  ) -> EvaluationTable.Figure {
    switch measure {
    case .hits(let name, let isHit):
      let hits = own.map(isHit)
      return .init(
        measure: name, estimate: ItemStatistics.share(hits),
        difference: base.map { ItemStatistics.difference(hits, minus: $0.map(isHit)) })
    case .losses(let name, let sum):
      let sums = own.map(sum)
      let (losses, tokens) = (sums.map(\.loss), sums.map(\.targets))
      return .init(
        measure: name, estimate: ItemStatistics.ratio(losses, over: tokens),
        difference: base.map { base in
          ItemStatistics.ratio(zip(losses, base).map { $0 - sum($1).loss }, over: tokens)
        })
    }
  }
}
