import Datasets
import Recipes
import Training

/// Searches the line between a base and the base with deltas for the scale that is best on one text
/// while the loss of another, the guard's, rises by no more than a limit.
///
/// Losses are measured at scales 0, 0.1 … 1, then closer and closer around the best one, down to steps
/// of 1/80.
public struct ScaleSearch {
  /// The losses at one scale, in nats per scored token.
  public struct Point: Hashable, Sendable {
    public let scale: Double
    public let loss: Double
    /// Nil without a guard.
    public let guardLoss: Double?
  }

  /// What was measured, by rising scale, and the index of the best point.
  public struct Result: Hashable, Sendable {
    public let points: [Point]
    public let best: Int
  }

  private let model: String
  private let deltas: [String]
  private let shape: BatchShape
  private let threads: Int
  private let shouldStop: () -> Bool

  /// - Parameters:
  ///   - model: the checkpoint's path.
  ///   - shape: windows scored at a time, and tokens in a window.
  ///   - shouldStop: asked before every batch.
  public init(
    _ model: String, deltas: [String], shape: BatchShape, threads: Int,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.model = model
    self.deltas = deltas
    self.shape = shape
    self.threads = threads
    self.shouldStop = shouldStop
  }

  /// - Parameters:
  ///   - data: files, folders or globs whose loss is to be low.
  ///   - guarded: those whose loss may not rise by more than the limit; empty for no guard.
  ///   - maxIncrease: in nats, above the loss at scale 0.
  ///   - say: called with warnings about the texts.
  ///   - observe: called with each point as it is measured.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop, `RunsError.noScale` where nothing
  ///   within the guard is better than the base; what loading model and texts throws.
  public func search(
    data: [String], guarded: [String], maxIncrease: Double, say: (String) -> Void = { _ in },
    observe: (Point) -> Void = { _ in }
  ) throws -> Result {
    let base = try LoadedModel(model, threads: threads)
    let texts = try [data, guarded].map { paths in
      paths.isEmpty
        ? nil
        : try TextEvaluation(base, shape: shape).corpus(
          paths, separator: nil, trainOn: .completions, chatTemplate: nil, say: say
        ).train
    }
    var points: [Point] = []
    func measure(_ scale: Double) throws {
      guard (0...1).contains(scale), !points.contains(where: { $0.scale == scale }) else { return }
      let model =
        scale == 0
        ? base : try LoadedModel(self.model, deltas: deltas, scale: scale, threads: threads)
      let losses = try texts.map { try $0.map { try loss(of: $0, model) } }
      let point = Point(scale: scale, loss: losses[0] ?? .nan, guardLoss: losses[1])
      points.append(point)
      observe(point)
    }
    func best() -> Point? {
      let limit = points.first { $0.scale == 0 }?.guardLoss.map { $0 + maxIncrease }
      return points.filter { ($0.guardLoss ?? 0) <= limit ?? .infinity }
        .min { ($0.loss, $0.scale) < ($1.loss, $1.scale) }
    }
    for tenth in 0...10 { try measure(Double(tenth) / 10) }
    for step in [1.0 / 20, 1.0 / 40, 1.0 / 80] {
      guard let center = best()?.scale else { break }
      try measure(center - step)
      try measure(center + step)
    }
    points.sort { $0.scale < $1.scale }
    guard let found = best(), found.scale > 0, let index = points.firstIndex(of: found) else {
      throw RunsError.noScale
    }
    return Result(points: points, best: index)
  }

  private func loss(of text: TokenStream, _ model: LoadedModel) throws -> Double {
    let evaluator = Evaluator(try model.scoringSession(shape), text: text)
    guard let loss = evaluator.meanLoss(unless: shouldStop) else { throw TrainingError.interrupted }
    guard loss.isFinite else {
      throw TrainingError.brokenModel(loss: loss, weight: model.weights.brokenWeight)
    }
    return loss
  }
}
