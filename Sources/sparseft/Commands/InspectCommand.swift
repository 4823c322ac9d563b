import ArgumentParser
import Checkpoints
import Models
import Reports
import Runs
import Storage
import Tensors
import Tokenizers

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Shows what a checkpoint, delta or snapshot holds.")

  @Argument(help: "A .sfckpt, .sfdelta or .sfstate file.", completion: .file())
  var file: String

  @Flag(help: "Of a delta, list everything that is not weights.")
  var privacy = false

  @Flag(help: "Write only JSON to standard output.")
  var json = false

  func run() throws {
    if privacy { return try disclose(Delta.open(file)) }
    switch TensorFileKind.detect(path: file) {
    case .delta: try inspect(Delta.open(file))
    case .trainingState: try inspect(TrainingState.open(file))
    case .checkpoint, nil: try inspect(Checkpoint.open(file))
    }
  }

  private func inspect(_ checkpoint: Checkpoint) throws {
    let c = checkpoint.configuration
    var facts: JSONObject = [
      "kind": "checkpoint", "path": .string(file), "bytes": .int(checkpoint.byteCount),
      "content_hash": .string(checkpoint.contentHash), "parameters": .int(c.parameterCount),
      "family": .string(c.family), "width": .int(c.width), "hidden_width": .int(c.hiddenWidth),
      "layers": .int(c.layers),
      "query_heads": .int(c.queryHeads), "key_value_heads": .int(c.keyValueHeads),
      "head_width": .int(c.headWidth), "vocabulary_size": .int(c.vocabularySize),
      "context_length": .int(c.contextLength), "tied_head": .bool(c.tiedHead),
      "rotary_base": .number(c.rotaryBase),
      "rotary_scaling": .string(Self.words(c.rotaryScaling)),
      "norm_epsilon": .number(c.normEpsilon),
    ]
    for (key, value) in c.additions { facts[key] = value }
    for member in try Self.tokenizer(checkpoint).members { facts[member.key] = member.value }
    facts["metadata"] = checkpoint.metadata
    show(facts, checkpoint.tensors.map { ($0, nil) })
  }

  /// The tokenizer's kind, its ids, and what sequences begin and end with; only the kind where the
  /// tokenizer is not sound.
  private static func tokenizer(_ checkpoint: Checkpoint) throws -> JSONObject {
    var facts: JSONObject = ["tokenizer": .string(checkpoint.tokenizerKind)]
    let tokenizer: any Tokenizer
    do {
      tokenizer = try checkpoint.loadTokenizer()
    } catch let error as any Failure where error.category == .badData {
      return facts
    }
    func shown(_ id: Int32?) -> JSONValue {
      id.map { "\(tokenizer.piece(of: $0)) (\($0))" } ?? "none"
    }
    facts["pieces"] = .int(tokenizer.vocabularySize)
    facts["rows_without_piece"] = .int(
      checkpoint.configuration.vocabularySize - tokenizer.vocabularySize)
    facts["begins_with"] = shown(tokenizer.beginOfSequence)
    facts["end_of_sequence"] = shown(tokenizer.endOfSequence)
    let others = tokenizer.endsOfText.filter {
      $0 != tokenizer.endOfSequence && $0 != tokenizer.beginOfSequence
    }
    if !others.isEmpty {
      facts["ends_of_text"] = .string(
        others.map { "\(tokenizer.piece(of: $0)) (\($0))" }.joined(separator: ", "))
    }
    facts["chat_template"] = .bool(checkpoint.tokenizerSettings.chatTemplate != nil)
    return facts
  }

  private func inspect(_ delta: Delta) {
    let facts: JSONObject = [
      "kind": "delta", "path": .string(file), "bytes": .int(delta.byteCount),
      "content_hash": .string(delta.contentHash), "identity": .string(delta.identity),
      "base_hash": .string(delta.baseHash), "stored_parameters": .int(delta.storedParameters),
      "method": delta.method, "metrics": delta.metrics,
    ]
    let tensors = delta.entries.flatMap { entry in
      entry.tensors.map { tensor -> (StoredTensor, String?) in
        (tensor, entry.encoding == .lowRank ? "factor" : entry.encoding.rawValue)
      }
    }
    show(facts, tensors)
  }

  /// Everything in a delta that is not weights.
  private func disclose(_ delta: Delta) {
    let members = DeltaDisclosure(delta).members
    if json {
      Output.print(
        .object([
          "kind": "delta", "path": .string(file), "bytes": .int(delta.byteCount),
          "members": .array(
            members.map { member in
              var object: JSONObject = ["name": .string(member.name), "value": member.value]
              if let remark = member.remark { object["remark"] = .string(remark) }
              return .object(object)
            }),
        ]))
      return
    }
    var table = Table([.init("beside the weights"), .init("value"), .init("")])
    for member in members {
      let value = member.value.string ?? member.value.encoded()
      table.add([
        member.name.printable(), value.printable(limit: 20_000), member.remark ?? "",
      ])
    }
    Output.print(table.text)
  }

  private func inspect(_ state: TrainingState) {
    let facts: JSONObject = [
      "kind": "training state", "path": .string(file),
      "content_hash": .string(state.contentHash), "values": state.values,
    ]
    show(facts, state.tensors.map { ($0, nil) })
  }

  private func show(_ facts: JSONObject, _ tensors: [(tensor: StoredTensor, note: String?)]) {
    if json {
      var object = facts
      object["tensors"] = .array(
        tensors.map { item in
          [
            "name": .string(item.tensor.name), "dtype": .string(item.tensor.elementType.rawValue),
            "shape": .array(item.tensor.shape.extents.map { .int($0) }),
            "bytes": .int(item.tensor.byteCount),
          ]
        })
      Output.print(.object(object))
      return
    }
    for member in facts.members {
      let key = member.key.replacing("_", with: " ")
      let value = member.value.string ?? member.value.encoded()
      Output.print(padded(key.printable(), width: 18) + "  " + value.printable(limit: 20_000))
    }
    var table = Table([
      .init("tensor"), .init("type"), .init("shape"), .init("size", .right), .init(""),
    ])
    for group in Self.grouped(tensors) {
      table.add([
        group.name, group.type, group.shape, Format.bytes(group.bytes), group.note,
      ])
    }
    Output.print("\n" + table.text)
  }

  /// Merges tensors that differ only by layer into one line, and row ranges of one tensor likewise.
  private static func grouped(
    _ tensors: [(tensor: StoredTensor, note: String?)]
  ) -> [(name: String, type: String, shape: String, bytes: Int, note: String)] {
    struct Key: Hashable {
      var name, type, note: String
      /// The shape, without its row count if the entry is a row range of a tensor.
      var extents: [Int]
      var isRun: Bool
    }
    var order: [Key] = []
    var members: [Key: (layers: [Int], runs: [Range<Int>], bytes: Int)] = [:]
    for (tensor, note) in tensors {
      let (path, firstRow) = splitRows(tensor.name)
      let (name, layer) = splitLayer(path)
      let key = Key(
        name: firstRow == nil ? name : path, type: tensor.elementType.rawValue, note: note ?? "",
        extents: Array(tensor.shape.extents.dropFirst(firstRow == nil ? 0 : 1)),
        isRun: firstRow != nil)
      if members[key] == nil { order.append(key) }
      members[key, default: ([], [], 0)].bytes += tensor.byteCount
      if let firstRow { members[key]?.runs.append(firstRow..<firstRow + tensor.rowCount) }
      if let layer, firstRow == nil { members[key]?.layers.append(layer) }
    }
    return order.map { key in
      let (layers, runs, bytes) = members[key] ?? ([], [], 0)
      let rows = runs.reduce(0) { $0 + $1.count }
      let shape = Shape(key.isRun ? [rows] + key.extents : key.extents)
      let notes = [key.note, Self.words(runs)].filter { !$0.isEmpty }
      return (
        spelled(key.name, layers), key.type, shape.description, bytes,
        notes.joined(separator: ", ")
      )
    }
  }

  /// `layers[*].x` with the star replaced by the layer numbers.
  private static func spelled(_ name: String, _ layers: [Int]) -> String {
    guard let first = layers.first, let last = layers.last else { return name }
    let isRun = layers == Array(first...max(first, last)) && layers.count > 1
    let text = isRun ? "\(first)–\(last)" : layers.map(String.init).joined(separator: ",")
    return name.replacing("[*]", with: "[\(text)]")
  }

  private static func words(_ runs: [Range<Int>]) -> String {
    guard let first = runs.first else { return "" }
    return runs.count == 1
      ? "rows \(first.lowerBound)–\(first.upperBound - 1)" : "rows in \(runs.count) runs"
  }

  /// `head@17` → `head` and 17.
  private static func splitRows(_ name: String) -> (path: String, firstRow: Int?) {
    guard let at = name.lastIndex(of: "@"), let row = Int(name[name.index(after: at)...]) else {
      return (name, nil)
    }
    return (String(name[..<at]), row)
  }

  private static func splitLayer(_ name: String) -> (pattern: String, layer: Int?) {
    guard let path = ParameterPath(name), let layer = path.layer else { return (name, nil) }
    return ("layers[*].\(path.role.rawValue)", layer)
  }

  private static func words(_ scaling: RotaryScaling) -> String {
    switch scaling {
    case .none: "none"
    case .linear(let factor): "linear, factor \(factor)"
    case .llama3(let factor, let low, let high, let length):
      "llama3, factor \(factor), low \(low), high \(high), original context \(length)"
    }
  }
}
