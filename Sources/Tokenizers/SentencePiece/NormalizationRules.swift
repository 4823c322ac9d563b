/// The compiled normalisation rules of a SentencePiece model (`precompiled_charsmap`), checked.
///
/// The bytes are a 32-bit size, a trie of byte strings as a double array of that many bytes (Darts:
/// Aoe 1989, Yata 2012) and the replacements, each terminated by a zero byte. SentencePiece walks
/// the trie without bounds checks, so every node that any text can reach is visited here first.
struct NormalizationRules {
  /// Whether text may be cut at a space between two ASCII letters: no rule spans such a place, a
  /// space stays a space, and no letter turns into nothing or into white space.
  private(set) var keepsWordsApart = true

  /// SentencePiece's own limit on rules that match at one place.
  private static let maximumMatches = 32
  /// Far above the longest replacement of NFKC (33 bytes) and its longest key.
  private static let maximumReplacement = 4096, maximumDepth = 512

  private enum Mark: UInt8 { case unseen, open, done }
  private static let letter: UInt8 = 1, space: UInt8 = 2

  private let trie: RuleTrie
  private let replacements: UnsafeRawBufferPointer
  // By the place that a node's labels are counted from: its state, the most rules that end below
  // it, and the kinds of label that lead to it.
  private var marks: [Mark]
  private var matches: [UInt8]
  private var arrivals: [UInt8]

  /// Checks `map`; an empty one has no rules.
  /// - Throws: `TokenizerError.invalidModel` if a walk could leave the array or not terminate.
  init(_ map: UnsafeRawBufferPointer) throws(TokenizerError) {
    let size = RuleTrie.size(of: map)
    guard map.isEmpty || (size >= 1024 && size % 4 == 0 && size < map.count - 4) else {
      throw Self.invalid("a trie of \(size) bytes in \(map.count)")
    }
    trie = RuleTrie(map)
    replacements = .init(rebasing: map[(min(4, map.count) + size)...])
    marks = .init(repeating: .unseen, count: trie.count)
    matches = .init(repeating: 0, count: trie.count)
    arrivals = .init(repeating: 0, count: trie.count)
    guard !trie.isEmpty else { return }
    let root = trie.root
    guard try visit(root, depth: 0) <= Self.maximumMatches else {
      throw Self.invalid("more than \(Self.maximumMatches) rules that match at one place")
    }
    inspectSpaces(root: root)
  }

  /// Visits all nodes below `base`; returns the largest number of rules on one path below it.
  private mutating func visit(_ base: Int, depth: Int) throws(TokenizerError) -> Int {
    guard base | 0xFF < trie.count else { throw Self.invalid("a trie node outside the trie") }
    if marks[base] == .done { return Int(matches[base]) }
    guard marks[base] == .unseen, depth < Self.maximumDepth else {
      throw Self.invalid("a trie that does not end")
    }
    marks[base] = .open
    var most = 0
    for label in 0...UInt8.max {
      let child = base ^ Int(label)
      let node = trie.unit(child)
      guard RuleTrie.leads(node, by: label) else { continue }
      let next = child ^ RuleTrie.offset(node)
      var count = try visit(next, depth: depth + 1)
      arrivals[next] |= Self.kind(label)
      if RuleTrie.hasRule(node) {
        guard replacement(at: next) != nil else {
          throw Self.invalid("a replacement outside the table, or longer than any")
        }
        count += 1
      }
      most = max(most, count)
    }
    marks[base] = .done
    // Counts above 255 exceed the limit anyway.
    matches[base] = UInt8(clamping: most)
    return most
  }

  /// The replacement of the rule that ends at `place`.
  private func replacement(at place: Int) -> UnsafeRawBufferPointer? {
    let start = Int(trie.unit(place) & 0x7FFF_FFFF)
    guard start < replacements.count else { return nil }
    let tail = replacements[start...].prefix(Self.maximumReplacement)
    guard let end = tail.firstIndex(of: 0) else {
      // The last replacement may be terminated by the end of the table.
      return tail.endIndex == replacements.count ? .init(rebasing: tail) : nil
    }
    return .init(rebasing: tail[..<end])
  }

  private static func kind(_ label: UInt8) -> UInt8 {
    switch label {
    case UInt8(ascii: " "): space
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): letter
    default: 0
    }
  }

  /// Determines `keepsWordsApart` after the whole trie was checked.
  private mutating func inspectSpaces(root: Int) {
    var apart = true
    for base in 0..<trie.count where arrivals[base] != 0 {
      for label in 0...UInt8.max where RuleTrie.leads(trie.unit(base ^ Int(label)), by: label) {
        let pair = arrivals[base] | Self.kind(label)
        if Self.kind(label) != 0, pair == Self.letter | Self.space { apart = false }
      }
    }
    var pending: [Int] = []
    var seen = [Bool](repeating: false, count: trie.count)
    for label in 0...UInt8.max where RuleTrie.leads(trie.unit(root ^ Int(label)), by: label) {
      let next = (root ^ Int(label)) ^ RuleTrie.offset(trie.unit(root ^ Int(label)))
      if Self.kind(label) == Self.letter { pending.append(root ^ Int(label)) }
      if Self.kind(label) == Self.space, RuleTrie.hasRule(trie.unit(root ^ Int(label))),
        replacement(at: next).map(Array.init) != [UInt8(ascii: " ")]
      {
        apart = false
      }
    }
    while let node = pending.popLast() {
      let base = node ^ RuleTrie.offset(trie.unit(node))
      if RuleTrie.hasRule(trie.unit(node)), !isWord(replacement(at: base)) { apart = false }
      guard !seen[base] else { continue }
      seen[base] = true
      for label in 0...UInt8.max where RuleTrie.leads(trie.unit(base ^ Int(label)), by: label) {
        pending.append(base ^ Int(label))
      }
    }
    keepsWordsApart = apart
  }

  private func isWord(_ text: UnsafeRawBufferPointer?) -> Bool {
    guard let text, !text.isEmpty, !text.contains(UInt8(ascii: " ")) else { return false }
    return !Array(text).contains(spaceSymbol)
  }

  private static func invalid(_ found: String) -> TokenizerError {
    .invalidModel(reason: "precompiled_charsmap: found \(found)")
  }
}

/// U+2581, which stands for a space in pieces.
let spaceSymbol: [UInt8] = [0xE2, 0x96, 0x81]
