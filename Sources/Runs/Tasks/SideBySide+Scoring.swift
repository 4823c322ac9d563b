import Datasets
import Records
import Storage
import Training

extension SideBySide {
  func outcomes(of data: PreparedData, _ model: LoadedModel) throws -> [ItemOutcome] {
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

  func line(
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
