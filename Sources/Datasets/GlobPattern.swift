/// One name of a pattern: `*` stands for any characters, `?` for one, `[a-z]` for one of a set and
/// `[!a-z]` for one outside it. A name that begins with a dot is matched by a pattern that does.
struct GlobPattern {
  private let pattern: [Unicode.Scalar]

  init(_ pattern: some StringProtocol) { self.pattern = Array(pattern.unicodeScalars) }

  /// Whether a path's name holds a character that patterns give a meaning to.
  static func isPattern(_ name: some StringProtocol) -> Bool {
    name.contains { $0 == "*" || $0 == "?" || $0 == "[" }
  }

  /// Whether the whole of `name` matches. The work is at most the product of the two lengths.
  func matches(_ name: String) -> Bool {
    let name = Array(name.unicodeScalars)
    if name.first == ".", pattern.first != "." { return false }
    var place = 0
    var index = 0
    // Where to go on if the last star has to take one character more.
    var retry: (place: Int, index: Int)?
    while index < name.count {
      if place < pattern.count, pattern[place] == "*" {
        retry = (place + 1, index)
        place += 1
      } else if let next = step(place, name[index]) {
        place = next
        index += 1
      } else if let last = retry {
        retry = (last.place, last.index + 1)
        (place, index) = (last.place, last.index + 1)
      } else {
        return false
      }
    }
    return pattern[place...].allSatisfy { $0 == "*" }
  }

  /// The place behind the element at `place`, if that matches one character.
  private func step(_ place: Int, _ character: Unicode.Scalar) -> Int? {
    guard place < pattern.count else { return nil }
    switch pattern[place] {
    case "?": return place + 1
    case "[":
      guard let (set, end) = bracket(place) else { break }
      return set(character) ? end : nil
    default: break
    }
    return pattern[place] == character ? place + 1 : nil
  }

  /// The set that begins at `place` and where it ends; nil for a bracket that is never closed,
  /// which stands for itself.
  private func bracket(_ place: Int) -> (contains: (Unicode.Scalar) -> Bool, end: Int)? {
    var first = place + 1
    guard first < pattern.count else { return nil }
    let negated = pattern[first] == "!" || pattern[first] == "^"
    if negated { first += 1 }
    // A closing bracket right at the start belongs to the set.
    guard first < pattern.count,
      let close = pattern[(first + 1)...].firstIndex(of: "]")
    else { return nil }
    let body = pattern[first..<close]
    let contains = { (character: Unicode.Scalar) -> Bool in
      var index = body.startIndex
      while index < body.endIndex {
        if index + 2 < body.endIndex, body[index + 1] == "-" {
          if body[index] <= character, character <= body[index + 2] { return !negated }
          index += 3
        } else {
          if body[index] == character { return !negated }
          index += 1
        }
      }
      return negated
    }
    return (contains, close + 1)
  }
}
