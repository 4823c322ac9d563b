import Storage
import Tensors
import TestSupport
import Testing

@testable import Interchange

/// GGUF files that were cut, garbled or made to harm: each is refused as bad data.
@Suite struct GGUFDamageTests {
  let folder: TemporaryFolder
  let sound: GGUFBuilder

  init() throws {
    folder = try TemporaryFolder()
    let configuration = TinyModel.configuration(layers: 1)
    sound = .model(configuration, weights: TinyModel.weights(configuration))
  }

  private func expectRefused(
    naming words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout GGUFBuilder) -> Void
  ) throws {
    var file = sound
    change(&file)
    let path = try folder.write(file.bytes, to: "m.gguf")
    let error = failure {
      try CheckpointImport.run(
        source: path, tokenizer: nil, elementType: nil, output: folder["x"])
    }
    let text = error?.description ?? "accepted"
    #expect(error?.category == .badData, "\(text)", sourceLocation: sourceLocation)
    for word in words + [path] {
      #expect(text.contains(word), "\(text)", sourceLocation: sourceLocation)
    }
    #expect(!folder.entries.contains("x"), sourceLocation: sourceLocation)
  }

  @Test func cutAnywhere() throws {
    let whole = sound.bytes
    for length in stride(from: 4, to: whole.count, by: 97) {
      let mapped = try MappedFile(path: try folder.write(Array(whole[..<length]), to: "m.gguf"))
      expectBadData("\(length) bytes") { _ = try GGUFFile(mapped) }
    }
  }

  @Test func otherVersions() throws {
    try expectRefused(naming: "version", "found 1") { $0.version = littleEndian(UInt32(1)) }
    try expectRefused(naming: "version", "found 4") { $0.version = littleEndian(UInt32(4)) }
    try expectRefused(naming: "version", "big-endian") { $0.version = [0, 0, 0, 3] }
    try expectRefused(naming: "format") { $0.magic = Array("FUGG".utf8) }
  }

  @Test(arguments: [1 << 63, UInt64.max, 1 << 40, 1 << 16])
  func countsAndLengths(_ number: UInt64) throws {
    try expectRefused(naming: "tensor count", "\(number)") { $0.tensorCount = number }
    try expectRefused(naming: "metadata count", "\(number)") { $0.valueCount = number }
    try expectRefused(naming: "length of z", "\(number)") {
      $0["z"] = .init(type: 8, bytes: littleEndian(number))
    }
    for type: UInt32 in [0, 5, 8, 9, 12] {
      try expectRefused(naming: "number of elements of z", "\(number)") {
        $0["z"] = .list(type, count: number, [])
        $0.tensors = []
      }
    }
    try expectRefused(naming: "'token_embd.weight'") {
      $0.tensors[0].extents = [number, number]
    }
    try expectRefused(naming: "offset of 'blk.0.attn_norm.weight'") {
      $0.tensors[1].offset = number
    }
  }

  @Test func listsInLists() throws {
    var value = GGUFBuilder.Value.integers([1])
    for depth in 1..<20 {
      value = .list(9, count: 1, value.bytes)
      if depth == 3 {
        var file = sound
        file["z"] = value
        _ = try GGUFFile(MappedFile(path: try folder.write(file.bytes, to: "m.gguf")))
      }
    }
    let deep = value
    try expectRefused(naming: "z", "deep") { $0["z"] = deep }
    // A list of a hundred million empty lists that are not there.
    try expectRefused(naming: "number of elements of z") {
      $0["z"] = .list(9, count: 100_000_000, [UInt8](repeating: 0, count: 120))
    }
  }

  @Test func valuesOfNoType() throws {
    try expectRefused(naming: "type of z", "found 13") { $0["z"] = .init(type: 13, bytes: [0]) }
    try expectRefused(naming: "z", "found 2") { $0["z"] = .init(type: 7, bytes: [2]) }
    try expectRefused(naming: "type of elements of z") {
      $0["z"] = .list(99, count: 0, [])
    }
    try expectRefused(naming: "metadata", "twice") {
      $0.values.append(($0.values[1].key, .integer(1)))
    }
    try expectRefused(naming: "key", "UTF-8") {
      $0.values[0].key = "general"
      $0.values.insert(("", .init(type: 0, bytes: [0])), at: 0)
      $0.magic = Array("GGUF".utf8)
      $0.version =
        littleEndian(UInt32(3)) + littleEndian(UInt64(0)) + littleEndian(UInt64(1))
        + littleEndian(UInt64(2)) + [0xFF, 0xFE] + littleEndian(UInt32(0)) + [0]
    }
  }

  @Test func tensorsOutOfPlace() throws {
    let name = "blk.0.attn_norm.weight"
    try expectRefused(naming: "'\(name)' twice") { $0.tensors[2].name = name }
    try expectRefused(naming: "inside the tensor before it") { $0.tensors[1].offset = 0 }
    try expectRefused(naming: "offset of '\(name)'", "multiple") { $0.tensors[1].offset = 33 }
    try expectRefused(naming: "rank of '\(name)'", "found 0") { $0.tensors[1].extents = [] }
    try expectRefused(naming: "rank of '\(name)'", "found 5") {
      $0.tensors[1].extents = [32, 1, 1, 1, 1]
    }
    try expectRefused(naming: "shape of '\(name)'", "extent of 0") { $0.tensors[1].extents = [0] }
    try expectRefused(naming: "type of '\(name)'", "IQ2_XXS", "Q4_0") { $0.tensors[1].type = 16 }
    try expectRefused(naming: "type of '\(name)'", "type 4711") { $0.tensors[1].type = 4711 }
    try expectRefused(naming: "shape of '\(name)'", "multiple of 256") { $0.tensors[1].type = 12 }
  }

  @Test(arguments: [0, 3, 4, 48, 1 << 21])
  func alignments(_ value: UInt32) throws {
    try expectRefused(naming: "general.alignment", "\(value)") {
      $0["general.alignment"] = .integer(value)
    }
  }

  @Test func anotherAlignment() throws {
    var file = sound
    file.alignment = 128
    file["general.alignment"] = .integer(128)
    let opened = try GGUFFile(MappedFile(path: try folder.write(file.bytes, to: "m.gguf")))
    #expect(opened.tensors.values.allSatisfy { $0.range.lowerBound % 128 == 0 })
    #expect(opened.tensors.count == file.tensors.count)
  }

  /// Bytes changed at random: refused or read, never a trap.
  @Test func garbled() throws {
    let whole = sound.bytes
    var random = RandomSource(seed: 5)
    for _ in 0..<400 {
      var file = whole
      for _ in 0..<3 {
        let place = Int(random.next() % 1500)
        file[place] = UInt8(truncatingIfNeeded: random.next())
      }
      let path = try folder.write(file, to: "m.gguf")
      let error = failure {
        try CheckpointImport.run(
          source: path, tokenizer: nil, elementType: nil, output: folder["x"])
      }
      // Without a tokenizer a sound file is refused as well.
      #expect(error != nil)
    }
  }
}
