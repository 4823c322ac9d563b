/// The steps of a tokenizer.json's `normalizer`, in order.
struct Normalization: Sendable {
  private enum Step: Hashable {
    /// Canonical composition (Unicode Standard Annex 15).
    case compose
    /// Bytes put before a text that is not empty.
    case prepend([UInt8])
    /// Bytes and what stands for them.
    case replace([UInt8], [UInt8])
  }

  private var steps: [Step] = []
  private static let maximumSteps = 8, maximumBytes = 64
  /// How many times as long replacements may make a text, all together.
  private static let maximumGrowth = 16.0
  private var growth = 1.0

  /// Normalisation that changes nothing.
  init() {}

  /// - Parameter json: the member `normalizer`; nil or null for none.
  /// - Throws: `TokenizerError.invalidTokenizer` for a step that is not supported.
  init(_ json: JSONFieldValue) throws(TokenizerError) { try add(json) }

  private mutating func add(_ json: JSONFieldValue) throws(TokenizerError) {
    guard !json.isAbsent else { return }
    guard steps.count < Self.maximumSteps else {
      throw json.invalid("more than \(Self.maximumSteps) steps", "fewer")
    }
    switch try json.type() {
    case "Sequence": for step in try json["normalizers"].list() { try add(step) }
    case "NFC": steps.append(.compose)
    case "Prepend": steps.append(.prepend(try bytes(json["prepend"])))
    case "Replace":
      let pattern = try bytes(json["pattern"]["String"])
      let content = try bytes(json["content"], mayBeEmpty: true)
      growth *= max(1, Double(content.count) / Double(pattern.count))
      guard growth <= Self.maximumGrowth else {
        throw json["content"].invalid(
          "replacements that make a text \(Int(growth)) times as long",
          "at most \(Int(Self.maximumGrowth)) times")
      }
      steps.append(.replace(pattern, content))
    case let type: throw json.unsupported(type, ["NFC", "Prepend", "Replace", "Sequence"])
    }
  }

  private func bytes(
    _ json: JSONFieldValue, mayBeEmpty: Bool = false
  ) throws(TokenizerError) -> [UInt8] {
    let bytes = Array(try json.string().utf8)
    guard mayBeEmpty || !bytes.isEmpty, bytes.count <= Self.maximumBytes else {
      throw json.invalid(
        "text of \(bytes.count) bytes", "1 to \(Self.maximumBytes); other patterns are not read")
    }
    return bytes
  }

  /// What is put before every text; nil for nothing.
  var prefix: [UInt8]? {
    for case .prepend(let bytes) in steps { return bytes }
    return nil
  }

  /// What a space becomes; nil where it stays.
  var spaceReplacement: [UInt8]? {
    for case .replace([0x20], let bytes) in steps { return bytes }
    return nil
  }

  /// Whether texts are composed.
  var composes: Bool { steps.contains(.compose) }

  /// Whether a text may be cut before a space between two ASCII letters: every step changes single
  /// spaces, the start of the text, or what canonical composition changes (never such a place).
  var isLocalAtSpaces: Bool {
    steps.allSatisfy { step in
      if case .replace(let bytes, _) = step { bytes == [0x20] } else { true }
    }
  }

  /// Whether `apply` would return the text unchanged; may be false where it would, too.
  func keeps(_ text: UnsafeRawBufferPointer) -> Bool {
    steps.allSatisfy { $0 == .compose } && (steps.isEmpty || text.allSatisfy { $0 < 0x80 })
  }

  /// The normalised text.
  /// - Parameters:
  ///   - text: valid UTF-8.
  ///   - prefixes: whether what is put before a text is put there.
  func apply(_ text: UnsafeRawBufferPointer, prefixes: Bool = true) -> [UInt8] {
    var result = Array(text)
    for step in steps where !result.isEmpty {
      switch step {
      case .compose: result = CanonicalComposition.composed(result)
      case .prepend(let bytes): if prefixes { result = bytes + result }
      case .replace(let bytes, let content): result = Self.replacing(bytes, content, in: result)
      }
    }
    return result
  }

  private static func replacing(
    _ bytes: [UInt8], _ content: [UInt8], in text: [UInt8]
  ) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 4)
    var rest = text[...]
    let first = bytes[0]
    while let place = rest.firstIndex(of: first) {
      result += rest[..<place]
      if rest[place...].starts(with: bytes) {
        result += content
        rest = rest[(place + bytes.count)...]
      } else {
        result.append(first)
        rest = rest[(place + 1)...]
      }
    }
    return result + rest
  }
}
