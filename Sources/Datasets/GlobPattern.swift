/// One component of a path pattern: `*` matches any characters, `?` one, `[a-z]` one of a set and
/// `[!a-z]` one outside it. A name that begins with a dot needs a pattern that does too.
struct GlobPattern {
  private let pattern: [Unicode.Scalar]

  init(_ pattern: some StringProtocol) { self.pattern = Array(pattern.unicodeScalars) }

  /// Whether a name contains a character that is special in patterns.
  static func isPattern(_ name: some StringProtocol) -> Bool {
    name.contains { $0 == "*" || $0 == "?" || $0 == "[" }
  }

  /// Whether the whole of `name` matches. Takes time proportional to at most the product of the
  /// lengths.
  func matches(_ name: String) -> Bool {
    let name = Array(name.unicodeScalars)
    if name.first == ".", pattern.first != "." { return false }
    var place = 0
    var index = 0
    // Where to continue if the last star must match one more character.
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

  /// The position after the element at `place` if that element matches the character.
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

  /// The set that begins at `place` and its end; nil for an unclosed bracket, which is an ordinary
  /// character.
  private func bracket(_ place: Int) -> (contains: (Unicode.Scalar) -> Bool, end: Int)? {
    var first = place + 1
    guard first < pattern.count else { return nil }
    let negated = pattern[first] == "!" || pattern[first] == "^"
    if negated { first += 1 }
    // A closing bracket right after the opening one belongs to the set.
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
