import ArgumentParser
import Chats
import Recipes
import Records
import Reports
import Runs
import Storage
import Tensors
import Training

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Scores text: mean loss per token, perplexity, bits per byte; and tasks.",
    discussion: """
      Tasks are .jsonl files of rows {"prompt", "choices", "answer"} (which choice is likeliest) or \
      {"prompt", "target"} (whether the greedy text is the target, and the target's loss). \
      docs/evaluation.md explains figures and intervals.
      """)

  @OptionGroup var arguments: ModelArguments

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Files, folders or globs of UTF-8 text or .jsonl rows, and files of tasks.",
      valueName: "path"), completion: .file())
  var data: [String]

  @Option(help: "Tokens per window.")
  var sequenceLength = 256

  @Option(help: "Text that separates documents within a file.")
  var documentSeparator: String?

  @Option(help: "What of .jsonl rows is scored: completions, or all.")
  var trainOn = TrainOnRecipe.completions

  @Option(
    help: """
      How chats in .jsonl rows are written; by default as the model's own template says. Tasks are \
      plain text by default; own: the model's own template.
      """, completion: .list(["own"] + ChatTemplates.names))
  var chatTemplate: String?

  @Option(help: "Windows scored at a time.")
  var batchSize = 8

  @Option(help: "Worker threads.")
  var threads = 2

  @Option(
    help: """
      Element type that matmuls multiply; auto: bf16 where this CPU has instructions for \
      it, else f32.
      """)
  var precision = PrecisionChoice.auto

  @OptionGroup var tasks: TaskArguments

  @Flag(help: "Write only JSON to standard output.")
  var json = false

  func validate() throws {
    guard (1...1_048_576).contains(sequenceLength) else {
      throw ValidationError("--sequence-length takes 1 to 1048576")
    }
    guard (1...65536).contains(batchSize) else {
      throw ValidationError("--batch-size takes 1 to 65536")
    }
  }

  func run() throws {
    Interruption.listen()
    let sets = DataSetPaths.sets(of: data, each: tasks.each)
    let isPlain = sets.count == 1 && sets[0].isText
    guard isPlain, !tasks.sideBySide, tasks.items == nil else { return try compare(sets) }
    let model = try LoadedModel(
      arguments.model, deltas: arguments.delta, threads: threads, precision: precision)
    if !json { Output.note(model.precision.line) }
    let evaluation = TextEvaluation(
      model, shape: BatchShape(windows: batchSize, tokens: sequenceLength))
    do {
      report(
        try evaluation.score(
          data, separator: documentSeparator, trainOn: trainOn,
          chatTemplate: chatTemplate, say: { Output.note($0) },
          shouldStop: { Interruption.isRequested }))
    } catch TrainingError.interrupted {
      try Interruption.check()
    }
  }

  /// Scores tasks, or several models or data sets.
  private func compare(_ sets: [DataSetPaths]) throws {
    var settings = SideBySide.Settings(
      shape: BatchShape(windows: batchSize, tokens: sequenceLength), threads: threads,
      precision: precision)
    settings.separator = documentSeparator
    settings.trainOn = trainOn
    settings.chatTemplate = chatTemplate
    if let delimiter = tasks.delimiter { settings.delimiter = delimiter }
    if !tasks.until.isEmpty { settings.stops = tasks.until }
    settings.maxTokens = tasks.maxTokens
    let suite = SideBySide(
      base: arguments.model, models: tasks.models(arguments.delta), settings: settings,
      say: { Output.note($0) }, shouldStop: { Interruption.isRequested })
    var lines = ""
    do {
      let table = try suite.table(sets) { item in
        if tasks.items != nil { lines += item.encoded() + "\n" }
      }
      if let path = tasks.items { try AtomicFile.write(Array(lines.utf8), to: path) }
      json ? Output.print(table.json) : Output.print(table.table.text)
    } catch TrainingError.interrupted {
      try Interruption.check()
    }
  }

  private func report(_ result: EvaluationRecord) {
    guard !json else { return Output.print(result.json) }
    Output.print(
      """
      loss          \(Format.loss(result.loss)) nats per token
      perplexity    \(formatted(result.perplexity, decimals: 3))
      bits per byte \(formatted(result.bitsPerByte, decimals: 4))
      tokens        \(result.tokens) from \(result.bytes) bytes, \
      \(Format.count(result.tokensPerSecond)) tokens/s
      """)
  }
}
