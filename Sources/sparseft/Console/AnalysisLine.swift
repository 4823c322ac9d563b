import Contributions
import Reports

/// The live line shown during an analysis.
final class AnalysisLine {
  private var line = ProgressLine()
  private let isQuiet: Bool

  /// - Parameter isQuiet: true to show nothing.
  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  func show(_ progress: AnalysisProgress) {
    guard !isQuiet else { return }
    line.update(
      ProgressState(
        activity: "analysis, \(progress.stage)", step: progress.done, totalSteps: progress.total,
        loss: progress.loss, etaSeconds: progress.etaSeconds))
  }

  func finish() { if !isQuiet { line.finish() } }
}
