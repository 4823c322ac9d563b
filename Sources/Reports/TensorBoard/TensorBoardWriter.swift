import Records
import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Writes a run's events as a TensorBoard event file. Each event is written at once, whole.
///
/// A run that goes on writes a new file, which begins with what makes TensorBoard forget the steps of
/// earlier files that are done again.
public final class TensorBoardWriter {
  /// How names of event files begin; what follows is the time, the machine and the process.
  public static let filePrefix = "events.out.tfevents."
  /// The folder of event files in a run's folder.
  public static let folderName = "tensorboard"

  public let path: String
  private let descriptor: Int32
  private let clock: () -> Double

  /// Starts a file in a folder that is there.
  ///
  /// - Parameters:
  ///   - resumedAt: the last step that earlier files keep; nil for a new run.
  ///   - clock: seconds since 1970.
  /// - Throws: `ReportError.cannotCreate`, `.writeFailed`.
  public init(
    folder: String, resumedAt: Int? = nil, clock: @escaping () -> Double = TensorBoardWriter.now
  ) throws(ReportError) {
    self.clock = clock
    let start = clock()
    var (path, number) = ("", 0)
    var file: Int32 = -1
    // The next number where a file of this process and second is there.
    while file < 0, number < 10_000 {
      path =
        "\(folder)/\(Self.filePrefix)\(Int(start)).\(Self.machine).\(getpid()).\(number)"
      file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o666)
      guard file >= 0 || errno == EEXIST else { break }
      number += 1
    }
    guard file >= 0 else { throw .cannotCreate(path: path, reason: systemMessage(errno)) }
    (self.path, descriptor) = (path, file)
    try write(.version)
    if let resumedAt { try write(.restart(step: resumedAt + 1)) }
  }

  deinit { close(descriptor) }

  /// Adds an event's scalars; events without any are passed over.
  /// - Throws: `ReportError.writeFailed`.
  public func add(_ event: RunEvent) throws(ReportError) {
    guard let step = event.step else { return }
    let scalars = Self.scalars(of: event)
    if !scalars.isEmpty { try write(.scalars(step: step, scalars)) }
  }

  /// Scalars by their tags; what is not finite stays as it is.
  static func scalars(of event: RunEvent) -> [(tag: String, value: Double)] {
    switch event {
    case .step(let step):
      [
        ("train/loss", step.loss), ("train/learning_rate", step.learningRate),
        ("train/grad_norm", step.gradientNorm), ("train/epoch", step.epoch),
        ("perf/tokens_per_second", step.tokensPerSecond), ("perf/step_seconds", step.seconds),
        ("perf/data_seconds", step.phases.data), ("perf/forward_seconds", step.phases.forward),
        ("perf/backward_seconds", step.phases.backward),
        ("perf/update_seconds", step.phases.update),
        ("memory/rss", Double(step.residentBytes)),
        ("memory/peak_rss", Double(step.peakResidentBytes)),
        ("memory/planned", Double(step.plannedBytes)),
      ] + (step.joulesPerToken.map { [("perf/joules_per_token", $0)] } ?? [])
    case .validation(_, let loss, _, _): [("eval/loss", loss), ("eval/perplexity", exp(loss))]
    case .lossGuard(let report):
      [("guard/loss", report.loss), ("guard/increase", report.increase)]
    default: []
    }
  }

  private func write(_ content: ScalarEvent.Content) throws(ReportError) {
    let event = ScalarEvent(wallSeconds: clock(), content: content)
    guard let error = writeAll(event.record, to: descriptor) else { return }
    throw .writeFailed(path: "'\(path)'", reason: systemMessage(error))
  }

  /// The machine's name as files may have it.
  private static var machine: String {
    var name = [CChar](repeating: 0, count: 65)
    guard gethostname(&name, name.count - 1) == 0 else { return "machine" }
    let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let kept = text.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    return kept.isEmpty ? "machine" : kept
  }

  /// Seconds since 1970.
  public static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
