import Checkpoints
import Interchange
import Models
import Storage
import Tensors
import TestSupport
import Testing

/// Little-endian bytes.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// The bytes of singles.
func bytes(of values: [Float]) -> [UInt8] { values.flatMap { littleEndian($0.bitPattern) } }

@Suite struct Llama2cTests {
  let folder: TemporaryFolder
  let tokenizer: String
  let configuration = TinyModel.configuration(tiedHead: false)
  let weights: [String: [Float]]

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try folder.write(TinyModel.wordTokenizer(), to: "tokenizer.model")
    weights = TinyModel.weights(configuration)
  }

  /// Our rows of query and key back in the order of llama2.c: pairs (2i, 2i + 1).
  private func interleaved(_ name: String) -> [Float] {
    let values = weights[name] ?? []
    guard name.hasSuffix(".query") || name.hasSuffix(".key") else { return values }
    let (width, half) = (configuration.width, configuration.headWidth / 2)
    var result = values
    for row in 0..<(values.count / width) {
      let (head, place) = row.quotientAndRemainder(dividingBy: 2 * half)
      let target = head * 2 * half + (place < half ? 2 * place : 2 * (place - half) + 1)
      for i in 0..<width { result[target * width + i] = values[row * width + i] }
    }
    return result
  }

  private func layers(_ suffix: String) -> [String] {
    (0..<configuration.layers).map { "layers[\($0)].\(suffix)" }
  }

  private func numbers(tied: Bool, signed: Bool) -> [UInt8] {
    let c = configuration
    let vocabulary = signed && !tied ? -c.vocabularySize : c.vocabularySize
    return [
      c.width, c.hiddenWidth, c.layers, c.queryHeads, c.keyValueHeads, vocabulary, c.contextLength,
    ].flatMap { littleEndian(Int32($0)) }
  }

  private func version0(tied: Bool) -> [UInt8] {
    let c = configuration
    var names = ["embedding"] + layers("attention_norm") + layers("attention.query")
    names += layers("attention.key") + layers("attention.value") + layers("attention.output")
    names += layers("mlp_norm") + layers("mlp.gate") + layers("mlp.down") + layers("mlp.up")
    var file = numbers(tied: tied, signed: true)
    for name in names + ["norm"] { file += bytes(of: interleaved(name)) }
    file += bytes(of: [Float](repeating: .nan, count: c.contextLength * c.headWidth))
    return tied ? file : file + bytes(of: interleaved("head"))
  }

  private func header(version: Int32, tied: Bool, groupSize: Int32) -> [UInt8] {
    var file = Array("24ka".utf8) + littleEndian(version) + numbers(tied: tied, signed: false)
    file += [tied ? 1 : 0]
    if version == 2 { file += littleEndian(groupSize) }
    return file + [UInt8](repeating: 0, count: 256 - file.count)
  }

  private var matrixNames: [String] {
    ["embedding"] + layers("attention.query") + layers("attention.key")
      + layers("attention.value") + layers("attention.output") + layers("mlp.gate")
      + layers("mlp.down") + layers("mlp.up")
  }

  private func version1(tied: Bool) -> [UInt8] {
    var file = header(version: 1, tied: tied, groupSize: 0)
    for name in layers("attention_norm") + layers("mlp_norm") + ["norm"] + matrixNames {
      file += bytes(of: interleaved(name))
    }
    return tied ? file : file + bytes(of: interleaved("head"))
  }

  private func version2(groupSize: Int) -> [UInt8] {
    var file = header(version: 2, tied: false, groupSize: Int32(groupSize))
    for name in layers("attention_norm") + layers("mlp_norm") + ["norm"] {
      file += bytes(of: interleaved(name))
    }
    for name in matrixNames + ["head"] {
      let values = interleaved(name)
      let scales = stride(from: 0, to: values.count, by: groupSize).map { start in
        values[start..<(start + groupSize)].map(\.magnitude).max().map { $0 / 127 } ?? 0
      }
      file += values.enumerated().map { index, value in
        UInt8(bitPattern: Int8((value / scales[index / groupSize]).rounded()))
      }
      file += bytes(of: scales)
    }
    return file
  }

  private func imported(_ file: [UInt8], _ type: ElementType? = nil) throws -> Checkpoint {
    let path = try folder.write(file, to: "model.bin")
    try CheckpointImport.run(
      source: path, tokenizer: tokenizer, elementType: type, output: folder["x"])
    return try Checkpoint.open(folder["x"])
  }

  @Test(arguments: [0, 1], [true, false])
  func importsSingles(_ version: Int, _ tied: Bool) throws {
    let file = version == 0 ? version0(tied: tied) : version1(tied: tied)
    let checkpoint = try imported(file)
    var expected = configuration
    expected.tiedHead = tied
    #expect(checkpoint.configuration == expected)
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == weights[tensor.name], "\(tensor.name)")
    }
    #expect(checkpoint.metadata == ["format": .string(Llama2cFormat.origin.rawValue)])
    #expect(checkpoint.tokenizerBytes.elementsEqual(TinyModel.wordTokenizer()))
  }

  @Test(arguments: [32, 64, 8])
  func importsGroups(_ groupSize: Int) throws {
    let checkpoint = try imported(version2(groupSize: groupSize))
    #expect(checkpoint.configuration == configuration)
    for tensor in checkpoint.tensors {
      let original = try #require(weights[tensor.name])
      let exact = tensor.shape.rank == 1
      for (found, value) in zip(tensor.widened(), original) {
        // A normal variable stays below 6, so half a step is below 6 / 254.
        #expect((found - value).magnitude <= (exact ? 0 : 0.024))
      }
    }
  }

  @Test func convertsToOtherElementTypes() throws {
    #expect(try imported(version1(tied: true)).tensor("embedding")?.elementType == .f32)
    #expect(try imported(version1(tied: true), .int8).tensor("embedding")?.elementType == .int8)
    #expect(try imported(version1(tied: true), .bf16).tensor("norm")?.elementType == .f32)
  }

  @Test func refusesDamage() throws {
    let files = [version0(tied: false), version1(tied: true), version2(groupSize: 32)]
    for (version, file) in files.enumerated() {
      var lengths = Array(0...40) + [255, 256, 257, file.count / 2, file.count - 1]
      lengths += [file.count - 4]
      for length in lengths {
        expectBadData("version \(version), \(length) bytes") {
          _ = try imported(Array(file[..<length]))
        }
      }
      expectBadData("a byte too many") { _ = try imported(file + [0]) }
      let fields = version == 0 ? 0..<7 : 2..<9
      for field in fields {
        for value in [0, -1, Int32.max, Int32.min, 1 << 30, 3] {
          // The size of versions 1 and 2 does not depend on the context's length.
          if version > 0, field == 8, value == 3 { continue }
          var damaged = file
          damaged.replaceSubrange((4 * field)..<(4 * field + 4), with: littleEndian(Int32(value)))
          expectBadData("version \(version), field \(field) = \(value)") {
            _ = try imported(damaged)
          }
        }
      }
    }
    var damaged = files[2]
    for size in [0, -32, Int32.max, 7] {
      damaged.replaceSubrange(37..<41, with: littleEndian(Int32(size)))
      expectBadData("group size \(size)") { _ = try imported(damaged) }
    }
    damaged = files[1]
    damaged[36] = 2
    expectBadData("shared classifier 2") { _ = try imported(damaged) }
    damaged[4] = 3
    expectBadData("version 3") { _ = try imported(damaged) }
  }

  @Test func randomHeadersNeverTrap() throws {
    var random = RandomSource(seed: 6)
    let files = [version0(tied: true), version1(tied: false), version2(groupSize: 32)]
    for round in 0..<300 {
      var damaged = files[round % 3]
      for _ in 0...2 { damaged[random.integer(below: 44)] = UInt8(random.integer(below: 256)) }
      let error = failure { _ = try imported(damaged) }
      #expect(error == nil || error?.category == .badData)
    }
  }

  @Test func needsATokenizerThatFits() throws {
    let path = try folder.write(version0(tied: true), to: "model.bin")
    func attempt(_ tokenizer: String?) -> (any Failure)? {
      failure {
        try CheckpointImport.run(
          source: path, tokenizer: tokenizer, elementType: nil, output: folder["x"])
      }
    }
    #expect(attempt(nil)?.category == .missingInput)
    #expect(attempt(nil)?.description.contains("--tokenizer") == true)
    #expect(attempt(folder["absent"])?.category == .missingInput)
    #expect(attempt(path)?.category == .badData)
    let large = try folder.write(TinyModel.wordTokenizer(pieces: 41), to: "large.model")
    #expect(attempt(large)?.description.contains("41") == true)
    #expect(!folder.entries.contains("x"))
  }

  @Test func refusesWhatItDoesNotKnow() throws {
    expectBadData("text") { _ = try imported(Array("some text, long enough for a header".utf8)) }
    expectBadData("nothing") { _ = try imported([]) }
    expectBadData("a folder") {
      try CheckpointImport.run(
        source: folder.path, tokenizer: tokenizer, elementType: nil, output: folder["x"])
    }
    let error = failure {
      try CheckpointImport.run(
        source: folder["absent"], tokenizer: tokenizer, elementType: nil, output: folder["x"])
    }
    #expect(error?.category == .missingInput)
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func importsStories() throws {
    let source = try SharedData.require("stories260K/stories260K.bin")
    try CheckpointImport.run(
      source: source, tokenizer: SharedData.require("stories260K/tok512.model"), elementType: nil,
      output: folder["x"])
    let checkpoint = try Checkpoint.open(folder["x"])
    #expect(
      checkpoint.configuration
        == ModelConfiguration(
          width: 64, hiddenWidth: 172, layers: 5, queryHeads: 8, keyValueHeads: 4, headWidth: 8,
          vocabularySize: 512, contextLength: 512, tiedHead: true))
    let raw = try TemporaryFolder.read(source)
    func floats(_ first: Int, _ count: Int) -> [Float] {
      (first..<(first + count)).map { index in
        let start = 28 + 4 * index
        return Float(
          bitPattern: raw[start..<(start + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
      }
    }
    #expect(checkpoint.tensor("embedding")?.widened() == floats(0, 512 * 64))
    let norms = 512 * 64
    #expect(checkpoint.tensor("layers[4].attention_norm")?.widened() == floats(norms + 256, 64))
    // Layer 1's query: 8 heads of 8 rows. Our rows 0…7 of a head are its rows 0 2 4 6 1 3 5 7.
    let query = try #require(checkpoint.tensor("layers[1].attention.query")).widened()
    let start = norms + 5 * 64 + 64 * 64
    for (ours, theirs) in zip([0, 1, 3, 4, 7, 8, 12, 63], [0, 2, 6, 1, 7, 8, 9, 63]) {
      #expect(Array(query[(ours * 64)..<(ours * 64 + 64)]) == floats(start + theirs * 64, 64))
    }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func importsBabyLlama() throws {
    try CheckpointImport.run(
      source: SharedData.require("babyllama-tok105/model5000.bin"),
      tokenizer: SharedData.require("babyllama-tok105/tok105.model"), elementType: .bf16,
      output: folder["x"])
    #expect(try Checkpoint.open(folder["x"]).configuration.vocabularySize == 105)
  }
}
