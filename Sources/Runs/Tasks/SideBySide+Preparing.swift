import Chats
import Datasets
import Records
import Tensors
import Tokenizers

/// A data set made ready to be scored.
enum PreparedData {
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
  func prepare(_ set: DataSetPaths, _ model: LoadedModel) throws -> PreparedData {
    switch set {
    case .task(let path): return try prepareTask(path, model)
    case .texts(let paths):
      let corpus = try TextEvaluation(model, shape: settings.shape).corpus(
        paths, separator: settings.separator, trainOn: settings.trainOn,
        chatTemplate: settings.chatTemplate,
        say: say)
      return .text(name: paths.joined(separator: " "), corpus)
    }
  }

  private func prepareTask(_ path: String, _ model: LoadedModel) throws -> PreparedData {
    let file = try TaskFile(path: path)
    let template = try taskTemplate(model)
    let context = model.weights.configuration.contextLength
    let encoder = TaskEncoder(
      tokenizer: model.tokenizer, template: template, delimiter: settings.delimiter,
      context: context, path: path)
    let sequences = try file.items.map { try encoder.sequences(of: $0) }
    var prompts: [[Int32]] = []
    if file.kind == .target {
      let room = context - settings.maxTokens
      guard room > 0 else {
        throw RunsError.noRoomForPrompts(maxTokens: settings.maxTokens, context: context)
      }
      let whole = try file.items.map { try encoder.prompt(of: $0) }
      prompts = whole.map { Array($0.suffix(room)) }
      let cut = whole.count { $0.count > room }
      if cut > 0 {
        say("\(path): \(cut) prompts have lost their beginning, to leave room for --max-tokens")
      }
    }
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
            + "\(ChatChoice.own) writes them as a user's messages")
      }
      return nil
    case ChatChoice.none: return nil
    case let name?:
      let chats = try model.chats(name)
      say(chats.line)
      return try chats.forChats()
    }
  }
}
