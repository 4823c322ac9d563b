import Storage
import Tokenizers

/// The templates that this program knows: the files of `recipes/templates`.
public enum ChatTemplates {
  /// All of them, the one that is meant where several fit first.
  public static let all = shipped(shippedTemplates)

  /// Templates by their order. A broken one is a mistake in the program, which stops.
  private static func shipped(_ texts: [String]) -> [ChatTemplate] {
    do {
      return try texts.map { try ChatTemplate(JSONValue.decode($0)) }
        .sorted { ($0.order, $0.name) < ($1.order, $1.name) }
    } catch {
      preconditionFailure("a template of recipes/templates: \(error)")
    }
  }

  /// Their names.
  public static var names: [String] { all.map(\.name) }

  /// The template of a name.
  /// - Throws: `ChatError.unknownTemplate`.
  public static func named(_ name: String) throws(ChatError) -> ChatTemplate {
    guard let template = all.first(where: { $0.name == name }) else {
      throw .unknownTemplate(name: name, known: names)
    }
    return template
  }
}

extension ChatTemplate {
  /// Checks that a tokenizer has what the template needs.
  /// - Throws: `ChatError.missingTokens`.
  public func check(_ tokenizer: any Tokenizer) throws(ChatError) {
    var missing = controls.filter { tokenizer.controlID($0) == nil }
    let forms = [begin, system ?? "", user, generationPrompt, assistant, endOfTurn, afterTurn]
    if tokenizer.endOfSequence == nil, forms.contains(where: { $0.contains("{eos}") }) {
      missing.append("EOS")
    }
    guard missing.isEmpty else { throw .missingTokens(template: name, tokens: missing) }
  }
}
