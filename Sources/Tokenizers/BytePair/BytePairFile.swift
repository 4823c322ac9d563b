import Storage

/// A tokenizer.json of model type BPE, read and checked.
struct BytePairFile: Sendable {
  private(set) var model = BytePairModel()
  private(set) var added: [AddedToken] = []
  private(set) var normalization = Normalization()
  let rules: SplitRules
  let decoding: DecodingRules
  let template: SequenceTemplate
  /// Where text that was not split can be taken apart; nil where it can't.
  private(set) var boundaries: WordBoundaries?

  /// The members that are small enough to be read as a whole.
  private static let small = [
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
    "post_processor", "decoder",
  ]

  /// - Throws: `TokenizerError.invalidTokenizer`, naming the member, for a file that is damaged or
  ///   needs what is not supported.
  init(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
    if let offset = firstInvalidUTF8(bytes) {
      throw .invalidTokenizer(field: "byte \(offset)", found: "no UTF-8", expected: "UTF-8")
    }
    guard bytes.count < 1 << 30 else {
      throw .invalidTokenizer(
        field: "file", found: "\(bytes.count) bytes", expected: "less than a gibibyte")
    }
    let (members, start) = try Self.members(bytes)
    var modelStart = start
    func member(_ key: String) -> JSONFieldValue { .init(members[key], key) }
    rules = try SplitRules(member("pre_tokenizer"))
    decoding = try DecodingRules(member("decoder"), rules)
    normalization = try Normalization(member("normalizer"))
    let space = rules.metaspace?.character ?? normalization.spaceReplacement
    var reader = BytePairModelReader(limit: bytes.count, space: space)
    try reader.readVocabulary(&modelStart)
    if !member("added_tokens").isAbsent { added = try reader.readAdded(member("added_tokens")) }
    let special = Set(added.filter(\.isSpecial).map(\.id))
    model = try reader.finish(special: special, isByteLevel: rules.isByteLevel)
    let pieces = model.pieces
    if let space, model.pieces.id(space) != nil, !model.takesWholeWords {
      boundaries = WordBoundaries(space: space, crossing: reader.crossing)
    }
    template = try SequenceTemplate(member("post_processor")) { pieces.id($0) }
  }

  /// The small members, and where the model starts.
  private static func members(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> (members: JSONObject, modelStart: JSONScanner) {
    var members = JSONObject()
    var modelStart: JSONScanner?
    var scanner = JSONScanner(bytes)
    try scanner.object { (scanner, key) throws(TokenizerError) in
      let key = String(decoding: key, as: UTF8.self)
      if key == "model" {
        guard modelStart == nil else { throw scanner.malformed("the key 'model' twice") }
        modelStart = scanner
        try scanner.skipValue()
      } else if small.contains(key) {
        guard members[key] == nil else { throw scanner.malformed("the key '\(key)' twice") }
        members[key] = try scanner.value()
      } else {
        throw scanner.malformed("the unknown member '\(key.prefix(40))'")
      }
    }
    try scanner.finish()
    guard let modelStart else {
      throw .invalidTokenizer(field: "model", found: "nothing", expected: "an object")
    }
    return (members, modelStart)
  }

  /// The bytes of an added token in the text where it is looked for.
  func spelling(of token: AddedToken) -> [UInt8] {
    let content = Array(token.content.utf8)
    return token.isNormalized ? content.withUnsafeBytes { normalization.apply($0) } : content
  }
}
