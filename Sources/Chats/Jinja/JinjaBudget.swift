/// What one rendering may use, so that a hostile template ends soon and in little memory: steps, and
/// the texts, lists and mappings that it makes or reads.
final class JinjaBudget {
  /// Bytes of one text.
  static let textLimit = 1 << 20
  /// Elements of one list, and characters of a text that is read as one.
  static let listLimit = 1 << 16
  /// Members of one mapping or namespace, which are looked up one by one.
  private static let memberLimit = 1 << 10
  private static let stepLimit = 200_000
  /// Lists and mappings. They nest no deeper than there are of them, which bounds the stack that
  /// freeing them takes.
  private static let containerLimit = 1 << 11
  /// Bytes of texts and elements of lists, made and read.
  private static let workLimit = 1 << 22

  private var steps = 0
  private var work = 0
  private var containers = 0
  private var objects: [JinjaObject] = []

  deinit {
    // A namespace may hold itself.
    for object in objects { object.members = [] }
  }

  /// Counts a step.
  func step() throws(JinjaError) {
    steps += 1
    guard steps <= Self.stepLimit else { throw .limit("more than \(Self.stepLimit) steps") }
  }

  /// Counts bytes of texts and elements of lists.
  func spend(_ amount: Int) throws(JinjaError) {
    work += amount
    guard work <= Self.workLimit else {
      throw .limit("more than \(Self.workLimit >> 20) Mi bytes and elements")
    }
  }

  /// Counts values that are about to be read.
  func read(_ values: [JinjaValue]) throws(JinjaError) {
    for value in values { try spend(value.size) }
  }

  /// A value that was made, if it is not too large.
  func made(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
    try spend(value.size)
    switch value {
    case .string(let text): try Self.check(textBytes: text.utf8.count)
    case .list(let elements):
      try Self.check(elements: elements.count)
      try countContainer()
    default: break
    }
    return value
  }

  /// A new mapping or namespace.
  func object(
    _ members: [(key: String, value: JinjaValue)] = []
  ) throws(JinjaError) -> JinjaObject {
    try countContainer()
    try spend(members.count)
    let object = JinjaObject(members)
    objects.append(object)
    return object
  }

  /// Sets a member of a mapping or namespace.
  func set(
    _ key: String, of object: JinjaObject, to value: JinjaValue
  ) throws(JinjaError) {
    try spend(object.members.count / 16)
    object[key] = value
    guard object.members.count <= Self.memberLimit else {
      throw .limit("a mapping of more than \(Self.memberLimit) members")
    }
  }

  static func check(textBytes: Int) throws(JinjaError) {
    guard textBytes <= textLimit else { throw .limit("a text of more than 1 MiB") }
  }

  static func check(elements: Int) throws(JinjaError) {
    guard elements <= listLimit else {
      throw .limit("a list of more than \(listLimit) elements")
    }
  }

  private func countContainer() throws(JinjaError) {
    containers += 1
    guard containers <= Self.containerLimit else {
      throw .limit("more than \(Self.containerLimit) lists and mappings")
    }
  }
}

extension JinjaValue {
  /// Bytes of a text, elements of a list, members of a mapping; 1 for anything else.
  fileprivate var size: Int {
    switch self {
    case .string(let text): text.utf8.count
    case .list(let elements): elements.count
    case .object(let object): object.members.count
    default: 1
    }
  }
}
