import Models
import Storage
import Tensors

/// Everything in a delta's file that is not weights, as a list of what it says, so that its owner
/// sees it before the file is given away.
public struct DeltaDisclosure {
  /// One statement.
  public struct Member: Sendable {
    /// Where it stands in the header: "recipe.optimizer.type".
    public let name: String
    public let value: JSONValue
    /// What a stranger learns from it that the name does not say; nil if nothing.
    public let remark: String?
  }

  /// In the order of the file.
  public private(set) var members: [Member] = []

  public init(_ delta: Delta) {
    add("base.content_hash", .string(delta.baseHash), remark: "which model was trained")
    add("base.configuration", delta.baseConfiguration.json, known: nil)
    add("method", delta.method, known: SharedDescription.method(delta.method))
    add("recipe", delta.recipe, known: SharedDescription.recipe(delta.recipe))
    add("metrics", delta.metrics, known: SharedDescription.metrics(delta.metrics))
    if delta.identity != delta.contentHash {
      add(
        Delta.originKey, .string(delta.identity),
        remark: "the file that the run wrote; ties this file to other copies of it")
    }
    for (index, entry) in delta.entries.enumerated() {
      add("entries[\(index)]", Self.description(of: entry), remark: Self.remark(on: entry, delta))
    }
  }

  private mutating func add(_ name: String, _ value: JSONValue, remark: String?) {
    members.append(Member(name: name, value: value, remark: remark))
  }

  /// Adds every value inside an object.
  ///
  /// - Parameter known: what this version keeps of the object; nil if all of it.
  private mutating func add(_ name: String, _ value: JSONValue, known: JSONValue?) {
    guard let object = value.object else {
      let isForeign = known.map { $0 != value } ?? false
      return add(
        name, value,
        remark: isForeign ? "may name a place, a person or a text; export-delta leaves it out" : nil
      )
    }
    for member in object.members {
      // What is not kept is compared with what can't be there.
      add(
        "\(name).\(member.key)", member.value,
        known: known.map { $0[member.key] ?? .array([.null]) })
    }
  }

  private static func description(of entry: DeltaEntry) -> JSONValue {
    var object: JSONObject = [
      "name": .string(entry.name), "encoding": .string(entry.encoding.rawValue),
    ]
    if entry.encoding == .lowRank {
      object["rank"] = .int(entry.tensors[0].rowCount)
      object["scale"] = .number(entry.scale)
    } else {
      object["first_row"] = .int(entry.rows.lowerBound)
      object["rows"] = .int(entry.rows.count)
    }
    object["type"] = .string(entry.elementType.rawValue)
    return .object(object)
  }

  /// Rows of the vocabulary are chosen by what stands in the text.
  private static func remark(on entry: DeltaEntry, _ delta: Delta) -> String? {
    let tables = [ParameterRole.embedding.rawValue, ParameterRole.head.rawValue]
    guard tables.contains(entry.name), entry.encoding != .lowRank,
      entry.rows.count < delta.baseConfiguration.vocabularySize
    else { return nil }
    return "rows of the vocabulary, which a run may have chosen by their frequency in its text"
  }
}
