/// A pattern for tensor names: `layers[4-5].attention.output`, `layers[*].mlp.up`, `layers[0-3].*`.
///
/// `[3]` and `[4-5]` match layer numbers and `[*]` any layer number; `*` elsewhere matches any run
/// of characters, including dots and brackets. Everything else matches itself.
public struct TensorPattern: Hashable, Sendable, CustomStringConvertible {
  /// The pattern as written.
  public let text: String
  private let tokens: [Token]

  private enum Token: Hashable {
    case character(UInt8)
    case anything
    /// `[a-b]`, both included; nil is `[*]`.
    case index(ClosedRange<Int>?)
  }

  /// - Throws: `RecipeError.pattern` with the error and the allowed syntax.
  public init(parse text: String) throws(RecipeError) {
    var tokens: [Token] = []
    var rest = Array(text.utf8)[...]
    func wrong(_ reason: String) -> RecipeError { .pattern(text: text, reason: reason) }
    guard !rest.isEmpty else { throw wrong("is empty; '*' matches every tensor") }
    guard rest.count <= 256 else { throw wrong("is longer than 256 characters") }
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "*"):
        if tokens.last != .anything { tokens.append(.anything) }
      case UInt8(ascii: "["):
        guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else {
          throw wrong("has a '[' without its ']'")
        }
        let inside = String(decoding: rest[..<end], as: UTF8.self)
        guard let range = TensorPattern.range(inside) else {
          throw wrong("has '[\(inside)]'; expected [3], [4-5] with 4 ≤ 5, or [*]")
        }
        tokens.append(.index(range))
        rest = rest[(end + 1)...]
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"), UInt8(ascii: "."):
        tokens.append(.character(byte))
      default:
        throw wrong("has a character that no tensor name has; names look like layers[0].mlp.up")
      }
    }
    self.text = text
    self.tokens = tokens
  }

  public var description: String { text }

  /// Layer numbers written out in the pattern, for messages; empty for `[*]` and `*`.
  public var layerRanges: [ClosedRange<Int>] {
    tokens.compactMap { if case .index(let range?) = $0 { range } else { nil } }
  }

  /// Whether the pattern is exactly this name. The head of a tied model is not a tensor of its
  /// checkpoint, so only a pattern with its exact name selects it: `*` never unties a model.
  public func spellsOut(_ name: String) -> Bool { text == name }

  /// Whether the whole name fits the pattern. Takes time (length of pattern) × (length of name).
  public func matches(_ name: String) -> Bool {
    let name = Array(name.utf8)
    // reached[i]: the tokens so far can end just before name[i].
    var reached = [Bool](repeating: false, count: name.count + 1)
    reached[0] = true
    for token in tokens {
      var next = [Bool](repeating: false, count: name.count + 1)
      if token == .anything {
        guard let first = reached.firstIndex(of: true) else { return false }
        for end in first...name.count { next[end] = true }
      }
      for start in reached.indices where reached[start] {
        switch token {
        case .anything: break
        case .character(let byte):
          if start < name.count, name[start] == byte { next[start + 1] = true }
        case .index(let range):
          if let end = TensorPattern.index(name, at: start, in: range) { next[end] = true }
        }
      }
      reached = next
    }
    return reached[name.count]
  }

  /// The end of `[n]` at `start` if n lies in `range` (nil: any), or nil.
  private static func index(_ name: [UInt8], at start: Int, in range: ClosedRange<Int>?) -> Int? {
    guard start < name.count, name[start] == UInt8(ascii: "["),
      let close = name[start...].firstIndex(of: UInt8(ascii: "]")),
      let number = number(String(decoding: name[(start + 1)..<close], as: UTF8.self)),
      range?.contains(number) ?? true
    else { return nil }
    return close + 1
  }

  /// `*` → .some(nil); `3` and `4-5` → a range; anything else nil.
  private static func range(_ text: String) -> ClosedRange<Int>?? {
    if text == "*" { return .some(nil) }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map {
      number(String($0))
    }
    guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
      first <= last
    else { return nil }
    return first...last
  }

  /// Up to nine decimal digits without a sign.
  private static func number(_ text: String) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) })
    else { return nil }
    return Int(text)
  }
}

extension TensorPattern {
  /// One problem for each pattern that no tensor of a model matches.
  ///
  /// - Parameters:
  ///   - keyPath: key path of the patterns in the recipe.
  ///   - names: the model's tensors.
  ///   - spelledOut: further tensors, matched only by patterns with their exact names.
  ///   - layers: how many layers the model has.
  public static func validate(
    _ patterns: [TensorPattern], at keyPath: String, names: [String], spelledOut: [String] = [],
    layers: Int
  ) -> [RecipeProblem] {
    patterns.compactMap { pattern in
      if names.contains(where: pattern.matches) || spelledOut.contains(where: pattern.spellsOut) {
        return nil
      }
      let isOutside = pattern.layerRanges.contains { $0.lowerBound >= layers }
      let similar =
        isOutside
        ? nil : spelledOut.first(where: pattern.matches) ?? pattern.similar(in: names + spelledOut)
      let hint = similar.map { "did you mean '\($0)'?" } ?? layerText(layers)
      return RecipeProblem(
        keyPath, subject: pattern.text, .invalid(reason: "matches no tensor; \(hint)"))
    }
  }

  private static func layerText(_ layers: Int) -> String {
    switch layers {
    case ..<1: "this model has no layers"
    case 1: "this model has layer 0 only"
    default: "this model has layers 0-\(layers - 1)"
    }
  }

  /// The pattern that was probably meant: one with the same ending, or the nearest.
  private func similar(in names: [String]) -> String? {
    let spellings = spellings(of: names)
    return spellings.first { $0.hasSuffix("." + text) }
      ?? nearest(to: text, in: spellings, atMost: 3)
  }

  /// The names with their layer numbers replaced by this pattern's own brackets, without
  /// duplicates.
  private func spellings(of names: [String]) -> [String] {
    let brackets: Substring = {
      guard let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]")
      else { return "[*]" }
      return text[open...close]
    }()
    var seen: [String] = []
    for name in names {
      guard let open = name.firstIndex(of: "["), let close = name.firstIndex(of: "]"), open < close
      else {
        seen.append(name)
        continue
      }
      let spelling = name[..<open] + brackets + name[name.index(after: close)...]
      if !seen.contains(String(spelling)) { seen.append(String(spelling)) }
    }
    return seen
  }
}
