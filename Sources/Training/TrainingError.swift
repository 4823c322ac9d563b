import Adaptations
import Checkpoints
import Datasets
import Execution
import Graphs
import Storage
import Tensors

/// Why a run can't start or go on.
public enum TrainingError: Failure {
  case checkpoint(CheckpointError)
  case execution(ExecutionError)
  case adaptation(AdaptationError)
  case dataset(DatasetError)
  case storage(StorageError)
  /// The compiler made a broken graph, which is a bug.
  case graph(GraphError)
  case vocabulary(pieces: Int, rows: Int)
  case doesNotFit(planned: Int, available: Int)
  /// `run.memory_mb` is too low even with every possible activation recomputed.
  case memoryLimit(needed: Int, limit: Int)
  /// More windows at a time than can be planned.
  case batchTooLarge(windows: Int, tokens: Int)
  case stepTooLarge(windows: Int, accumulation: Int)
  case budget(bytes: Int, flopsShare: Double)
  /// The run was asked to stop before there was anything to save.
  case interrupted
  /// The model's loss is no finite number because of itself, not of what was trained.
  ///
  /// - Parameter weight: the first weight that is not finite, as `ModelWeights.brokenWeight` names it;
  ///   nil if all are finite.
  case brokenModel(loss: Double, weight: String?)
  /// A loss or a gradient is no longer a finite number.
  case diverged(step: Int, figure: String, Double)
  case nothingToResume(path: String)
  case resumeMismatch(path: String, field: String, found: String, expected: String)
  /// A state of a run whose settings or texts were others; one change a line.
  case resumeChanges(path: String, [String])
  /// A step that no file for other devices can hold.
  case unportable(String)
  /// An observer of the run's events could not write them.
  case observer(any Failure)

  public var category: FailureCategory {
    switch self {
    case .checkpoint(let error): error.category
    case .execution(let error): error.category
    case .adaptation(let error): error.category
    case .dataset(let error): error.category
    case .storage(let error): error.category
    case .observer(let error): error.category
    case .graph: .bug
    case .vocabulary, .brokenModel, .diverged: .badData
    case .nothingToResume: .missingInput
    case .resumeMismatch, .resumeChanges, .budget, .batchTooLarge, .stepTooLarge, .doesNotFit,
      .memoryLimit, .interrupted, .unportable:
      .usage
    }
  }

  public var description: String {
    switch self {
    case .checkpoint(let error): error.description
    case .execution(let error): error.description
    case .adaptation(let error): error.description
    case .dataset(let error): error.description
    case .storage(let error): error.description
    case .observer(let error): error.description
    case .unportable(let problem): "the step can't run without this program: \(problem)"
    case .graph(let error): "the compiler made a broken graph, which is a bug: \(error)"
    case .vocabulary(let pieces, let rows):
      "the tokenizer has \(pieces) pieces but the model's embedding only \(rows) rows; "
        + "import the checkpoint with its own tokenizer"
    case .doesNotFit(let planned, let available):
      "the run needs \(ByteCount(planned)) and this machine has \(ByteCount(available)) free; "
        + "lower run.batch_size or data.sequence_length, or train fewer tensors "
        + "('sparseft plan' shows where the bytes are)"
    case .memoryLimit(let needed, let limit):
      // Rounded up, so that the limit that is named suffices.
      "run.memory_mb is \(formatted(Double(limit) / 1e6, decimals: 1)) and the run needs at least "
        + "\(formatted(Double((needed + 99_999) / 100_000) / 10, decimals: 1)) MB; besides a higher "
        + "limit, a lower run.batch_size or data.sequence_length, narrower optimizer.state or optimizer.parameters, "
        + "or fewer tensors to train may do"
    case .batchTooLarge(let windows, let tokens):
      "\(windows) windows of \(tokens) tokens at a time are more than "
        + "\(CompiledStep.mostTokens) tokens; lower the batch size or the sequence length"
    case .stepTooLarge(let windows, let accumulation):
      "\(accumulation) batches of \(windows) windows are more than \(CompiledStep.mostWindows) "
        + "windows in a step; lower run.accumulation or run.batch_size"
    case .budget(let bytes, let flopsShare):
      "nothing fits method.budget; the smallest choice needs "
        + "\(formatted(Double(bytes) / 1e6, decimals: 1)) MB (memory_mb) and a step_flops of "
        + "\(formatted(flopsShare, decimals: 2))"
    case .interrupted: "stopped before anything could be saved"
    case .brokenModel(let loss, let weight?):
      "computing the model's loss: found \(loss), expected a finite number: \(weight); import the "
        + "model again, from a source whose weights are finite"
    case .brokenModel(let loss, nil):
      "computing the model's loss: found \(loss), expected a finite number: its weights are finite, "
        + "but what they compute is not; check that they are those of this configuration, and import "
        + "the model again"
    case .diverged(let step, let figure, let value):
      "the \(figure) of step \(step) is \(value); lower optimizer.learning_rate or raise "
        + "schedule.warmup_steps (the best snapshot so far is kept)"
    case .nothingToResume(let path):
      "--resume found no snapshot at '\(path)'; start the run without it"
    case .resumeMismatch(let path, let field, let found, let expected):
      "can't resume from '\(path)': its \(field) is \(found), this recipe says \(expected); "
        + "restore the recipe or start anew in another output folder"
    case .resumeChanges(let path, let changes):
      "can't resume from '\(path)' as if nothing had changed:\n"
        + changes.map { "  \($0)\n" }.joined()
        + "  restore that, or go on with what is there now: --resume --accept-changes"
    }
  }
}

/// Runs `body` and wraps what it throws.
@discardableResult
func rethrow<Value, Failure: Error>(
  _ wrap: (Failure) -> TrainingError, _ body: () throws(Failure) -> Value
) throws(TrainingError) -> Value {
  do { return try body() } catch { throw wrap(error) }
}
