import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointDamageTests {
  let folder: TemporaryFolder
  let bytes: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    let configuration = TinyModel.configuration(
      width: 8, hiddenWidth: 12, layers: 1, queryHeads: 2, keyValueHeads: 1, headWidth: 4,
      vocabularySize: 10)
    _ = try TinyModel.checkpoint(
      at: folder["x"], configuration, elementType: .int8,
      override: { $0 == "embedding" ? .bf16 : nil })
    bytes = try folder.read("x")
  }

  private func expectRefusal(
    _ damaged: [UInt8], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let path = try folder.write(damaged, to: "damaged")
    expectBadData(what, sourceLocation: sourceLocation) { _ = try Checkpoint.open(path) }
  }

  @Test func refusesEveryTruncation() throws {
    let parts = TensorFileParts(bytes)
    var lengths = Set(0...130)
    lengths.formUnion([64 + parts.header.count, bytes.count - parts.data.count])
    for entry in (parts.json["tensors"]?.array ?? []) + (parts.json["blobs"]?.array ?? []) {
      let start = bytes.count - parts.data.count + (entry["offset"]?.int ?? 0)
      lengths.formUnion([start - 1, start, start + 1, start + (entry["length"]?.int ?? 0)])
    }
    lengths.remove(bytes.count)
    lengths.insert(bytes.count - 1)
    for length in lengths.sorted() {
      try expectRefusal(Array(bytes[..<length]), "the first \(length) bytes")
    }
    try expectRefusal(bytes + [0], "one byte more")
  }

  @Test func refusesEveryBitFlip() throws {
    var random = RandomSource(seed: 1)
    let positions = Array(0..<64) + (0..<400).map { _ in random.integer(below: bytes.count) }
    for position in positions {
      var damaged = bytes
      damaged[position] ^= 1 << UInt8(random.integer(below: 8))
      try expectRefusal(damaged, "a flip in byte \(position)")
    }
  }

  @Test func aSealedCopyIsAccepted() throws {
    let path = try folder.write(TensorFileParts(bytes).sealed, to: "copy")
    #expect(try TensorFileParts(bytes).sealed == folder.read("x"))
    #expect(throws: Never.self) { try Checkpoint.open(path) }
  }

  @Test func checksTheHeaderBehindTheHash() throws {
    let huge: JSONValue = .int(.max)
    let edits: [(path: [String], value: JSONValue?)] = [
      (["configuration"], nil), (["metadata"], nil), (["tokenizer"], nil),
      (["tokenizer"], "sentencepiece"), (["tokenizer"], [:]), (["tokenizer", "kind"], 1),
      (["tokenizer", "other"], 1), (["tensors"], nil), (["blobs"], nil),
      (["other"], 1), (["metadata"], 1), (["blobs"], []), (["blobs", "0", "name"], "other"),
      (["configuration", "width"], 16), (["configuration", "width"], huge),
      (["configuration", "width"], -8), (["configuration", "width"], 8.5),
      (["configuration", "width"], "8"), (["configuration", "key_value_heads"], 0),
      (["configuration", "head_width"], 3), (["configuration", "layers"], 2),
      (["configuration", "layers"], 2_000_000_000), (["configuration", "tied_head"], false),
      (["configuration", "tied_head"], 1), (["configuration", "norm_epsilon"], 0),
      (["configuration", "other"], 0), (["configuration", "rotary_base"], nil),
      (["configuration", "rotary_scaling"], ["type": "yarn"]),
      (["configuration", "rotary_scaling"], ["type": "linear", "factor": 0.5]),
      (["configuration", "sliding_window"], 0), (["configuration", "sliding_window"], huge),
      (["configuration", "sliding_window"], "4"), (["configuration", "attention_pattern"], []),
      (["configuration", "attention_pattern"], ["local"]),
      (["configuration", "attention_pattern"], [1]), (["configuration", "activation"], "relu"),
      (["configuration", "activation"], "silu"), (["configuration", "query_key_norm"], 1),
      (["configuration", "local_rotary_base"], 1e4), (["configuration", "embedding_scale"], 0),
      (["configuration", "attention_scale"], -1), (["configuration", "attention_scale"], 1e300),
      (["tensors", "0"], nil), (["tensors", "0"], 1), (["tensors", "0", "name"], "norm"),
      (["tensors", "0", "name"], ""), (["tensors", "0", "name"], "x"),
      (["tensors", "0", "type"], "f16"), (["tensors", "0", "type"], "f32"),
      (["tensors", "0", "type"], "int32"), (["tensors", "0", "type"], "int8"),
      (["tensors", "0", "shape"], [8, 10]), (["tensors", "0", "shape"], [80]),
      (["tensors", "0", "shape"], []), (["tensors", "0", "shape"], [0, 8]),
      (["tensors", "0", "shape"], [-10, -8]), (["tensors", "0", "shape"], [huge, huge]),
      (["tensors", "0", "shape"], [.int(1 << 32), .int(1 << 32)]),
      (["tensors", "0", "offset"], 1), (["tensors", "0", "offset"], -64),
      (["tensors", "0", "offset"], 0), (["tensors", "0", "offset"], .int(Int.max - 63)),
      (["tensors", "0", "length"], 159), (["tensors", "0", "length"], huge),
      (["tensors", "0", "scales_offset"], 0), (["tensors", "2", "scales_offset"], nil),
      (["tensors", "2", "scales_offset"], 64), (["tensors", "2", "scales_offset"], huge),
      (["blobs", "0", "length"], 65), (["blobs", "0", "length"], huge),
      (["blobs", "0", "length"], -1), (["blobs", "0", "offset"], 64),
    ]
    for (path, value) in edits {
      var parts = TensorFileParts(bytes)
      parts.json = parts.json.replacing(path, with: value)
      try expectRefusal(parts.sealed, "\(path.joined(separator: ".")) = \(value ?? "nothing")")
    }
  }

  @Test func checksWhatIsNoJSONBehindTheHash() throws {
    var parts = TensorFileParts(bytes)
    let header = parts.header
    for text in ["[]", "1", "{", "", "{}", "{}}"] {
      parts.header = Array(text.utf8)
      try expectRefusal(parts.sealed, "the header '\(text)'")
    }
    parts.header = header
    parts.data += [UInt8](repeating: 0, count: 64)
    try expectRefusal(parts.sealed, "data after the last tensor")
    parts = TensorFileParts(bytes)
    parts.data.removeLast()
    try expectRefusal(parts.sealed, "a last tensor cut short")
    parts = TensorFileParts(bytes)
    // The present version's members are unknown to the one before.
    for version in [0, 1, 3] as [UInt32] {
      parts = TensorFileParts(bytes)
      parts.version = version
      try expectRefusal(parts.sealed, "version \(version)")
    }
  }

  @Test func randomHeadersBehindTheHashNeverTrap() throws {
    var random = RandomSource(seed: 2)
    let original = TensorFileParts(bytes)
    for _ in 0..<500 {
      var parts = original
      for _ in 0...random.integer(below: 2) {
        let position = random.integer(below: parts.header.count)
        parts.header[position] = UInt8(ascii: "0") + UInt8(random.integer(below: 10))
      }
      let path = try folder.write(parts.sealed, to: "damaged")
      // A changed digit may still make a sound file, so only the kind of failure is certain.
      if let failure = failure({ _ = try Checkpoint.open(path) }) {
        #expect(failure.category == .badData)
      }
    }
  }

  @Test func namesTheKindThatWasFound() throws {
    var parts = TensorFileParts(bytes)
    parts.magic = Array("SFDELT\r\n".utf8)
    let path = try folder.write(parts.sealed, to: "damaged")
    let error = failure { _ = try Checkpoint.open(path) }
    #expect(
      error?.description
        == "reading '\(path)': found a sparseft delta, expected a sparseft checkpoint")
  }
}
