/// The members of a JSON object in insertion order. Objects are equal if their keys, values and
/// order are equal.
public struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// A key and its value.
  public struct Member: Hashable, Sendable {
    public let key: String
    public var value: JSONValue
  }

  /// All members in insertion order.
  public private(set) var members: [Member] = []
  private var positions: [String: Int] = [:]

  public init() {}

  /// The given members in order; a later value for the same key replaces the earlier one.
  public init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }

  /// The keys in insertion order.
  public var keys: [String] { members.map(\.key) }
  /// Number of members.
  public var count: Int { members.count }
  /// True if there are no members.
  public var isEmpty: Bool { members.isEmpty }

  /// A key's value. Setting an existing key keeps its position, a new key is appended, nil removes
  /// it.
  public subscript(key: String) -> JSONValue? {
    get { positions[key].map { members[$0].value } }
    set {
      switch (positions[key], newValue) {
      case (let position?, let value?):
        members[position].value = value
      case (nil, let value?):
        positions[key] = members.count
        members.append(Member(key: key, value: value))
      case (let position?, nil):
        members.remove(at: position)
        positions = [:]
        for (index, member) in members.enumerated() { positions[member.key] = index }
      case (nil, nil): break
      }
    }
  }

  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members == right.members
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(members) }
}
