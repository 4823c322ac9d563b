import Storage
import Tensors

/// An entry of a list of linear maps in blocks.
public enum LinearTarget: Hashable, Sendable {
  /// One kind of linear map in every block.
  case kind(LinearKind)
  case pattern(TensorPattern)

  /// The entry as a pattern over tensor names.
  public var pattern: TensorPattern? {
    switch self {
    case .kind(let kind): kind.pattern
    case .pattern(let pattern): pattern
    }
  }

  /// The entry as recipes spell it.
  public var text: String {
    switch self {
    case .kind(let kind): kind.rawValue
    case .pattern(let pattern): pattern.text
    }
  }
}

extension [LinearTarget] {
  /// Short name of the targets in a label: "query+up", "5 targets".
  var shortName: String {
    count <= 3 ? map(\.text).joined(separator: "+") : "\(count) targets"
  }
}

extension LinearKind {
  /// The kind in every layer; never nil, since these names always form valid patterns.
  var pattern: TensorPattern? { try? TensorPattern(parse: "layers[*].\(roleName)") }
}

extension RecipeKind<LinearTarget> {
  /// A kind's word, or a pattern. A single word that is neither a kind nor a tensor is an error.
  static var linearTarget: RecipeKind {
    let kinds = LinearKind.allCases.map(\.rawValue)
    let pattern: JSONValue = .both(
      TensorPattern.schema, ["anyOf": [["const": "head"], ["pattern": "[\\[.*]"]]])
    let word = leaf(
      "one of \(kinds.map { "'\($0)'" }.joined(separator: ", ")) or a pattern",
      schema: .anyOf([.enumeration(kinds), pattern]), words: kinds,
      { $0.string.flatMap { LinearKind(rawValue: $0) }.map { .kind($0) } },
      write: { .string($0.text) })
    return RecipeKind(
      expected: word.expected, schema: word.schema(),
      read: { json, keyPath, context in
        guard let text = json.string, text == "head" || text.contains(where: { "[.*".contains($0) })
        else { return word.read(json, keyPath, context) }
        return TensorPattern.read(text, at: keyPath, context).map { .pattern($0) }
      }, write: word.write)
  }
}
