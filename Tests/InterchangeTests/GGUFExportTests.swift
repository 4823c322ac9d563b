import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

@testable import Interchange

/// Models to GGUF files and back.
@Suite struct GGUFExportTests {
  private let folder: TemporaryFolder
  private let tokenizer: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try TemporaryFolder.read(
      SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model")
  }

  private func checkpoint(
    _ configuration: ModelConfiguration, _ settings: TokenizerSettings = .init()
  ) throws -> Checkpoint {
    let weights = TinyModel.weights(configuration)
    try CheckpointWriter.write(
      to: folder["a.sfckpt"], configuration: configuration,
      tokenizer: StoredTokenizer(kind: "sentencepiece", bytes: tokenizer, settings: settings),
      elementType: .f32,
      tensors: { (name) throws(CheckpointError) in .values(weights[name] ?? []) })
    return try Checkpoint.open(folder["a.sfckpt"])
  }

  private func roundTrip(
    _ checkpoint: Checkpoint, _ type: ForeignElementType = .f32
  ) throws -> (Checkpoint, notes: [String]) {
    let notes = try GGUFExport.write(ExportedModel(checkpoint), as: type, to: folder["m.gguf"])
    try CheckpointImport.run(
      source: folder["m.gguf"], tokenizer: nil, elementType: .f32, output: folder["b.sfckpt"])
    return (try Checkpoint.open(folder["b.sfckpt"]), notes)
  }

  private static func large(_ c: ModelConfiguration) -> ModelConfiguration {
    var copy = c
    copy.vocabularySize = 400
    // Gemma 3's files have no key for it.
    copy.attentionScale = nil
    return copy
  }

  @Test(arguments: FamilyCase.all)
  func everyFamilyComesBack(_ family: FamilyCase) throws {
    let base = try checkpoint(Self.large(family.configuration))
    let type = base.configuration.familyType
    let holdsWindows = type == Phi3.self || type == Gemma3.self
    if base.configuration.slidingWindow != nil, !holdsWindows {
      let error = failure { _ = try roundTrip(base) }
      #expect(error?.description.contains("sliding_window") == true)
      return
    }
    let (back, notes) = try roundTrip(base)
    var expected = base.configuration
    // Mistral's files are Llama's.
    if type.ggufArchitecture == "llama" { expected.family = Llama.name }
    #expect(back.configuration == expected)
    // llama.cpp does not look at Phi-3's window.
    let isWindowed = (base.configuration.slidingWindow ?? .max) < base.configuration.contextLength
    #expect(notes.count == (type == Phi3.self && isWindowed ? 1 : 0), "\(notes)")
    #expect(notes.allSatisfy { $0.contains("llama.cpp lets them attend to all") })
    for tensor in base.tensors {
      #expect(back.tensor(tensor.name)?.widened() == tensor.widened(), "\(tensor.name)")
    }
  }

  @Test func familiesSayHowTheirFilesAre() throws {
    let interleaved = ModelFamilies.all.filter { $0.ggufInterleavesRotaryRows }.map { $0.name }
    #expect(interleaved == [Llama.name, Mistral.name])
    var phi = TinyModel.configuration(contextLength: 64)
    phi.family = Phi3.name
    for (window, isNoted) in [(nil, false), (64, false), (63, true)] as [(Int?, Bool)] {
      phi.slidingWindow = window
      #expect(phi.familyType.ggufNotes(phi).isEmpty != isNoted)
    }
  }

  /// Gemma 3's files say which blocks are local by a period, and nothing of attention's scale.
  @Test func whatGemmaFilesHaveNoWordsForIsRefused() throws {
    var configuration = TinyModel.gemma3(layers: 3)
    #expect(throws: ConfigurationError.self) { try configuration.gguf() }
    configuration.attentionScale = nil
    #expect(
      try configuration.gguf().fields.filter {
        $0.key.contains("sliding") || $0.key.contains("swa")
      }
      .map(\.value) == [.count(5), .count(3), .single(1e4)])
    configuration.attentionPattern = [.local, .global, .local]
    #expect(throws: ConfigurationError.self) { try configuration.gguf() }
    configuration.attentionPattern = []
    #expect(
      try configuration.gguf().fields.contains {
        $0 == ("attention.sliding_window_pattern", .count(4))
      })
    configuration.attentionBias = true
    #expect(throws: ConfigurationError.self) { try configuration.gguf() }
  }

  @Test(arguments: [
    RotaryScaling.linear(factor: 2),
    .llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192),
  ])
  func rotaryScalingComesBack(_ scaling: RotaryScaling) throws {
    let configuration = TinyModel.configuration(
      headWidth: 64, vocabularySize: 400, rotaryScaling: scaling, tiedHead: false,
      attentionBias: true)
    let base = try checkpoint(configuration)
    let (back, _) = try roundTrip(base)
    #expect(back.configuration == configuration)
    let name = "layers[1].attention.query.bias"
    #expect(back.tensor(name)?.widened() == base.tensor(name)?.widened())
  }

  @Test func theTokenizerComesBack() throws {
    var settings = TokenizerSettings()
    settings.beginOfSequence = .id(1)
    settings.endOfSequence = .id(2)
    settings.addsBeginOfSequence = false
    settings.endsOfText = [7]
    settings.chatTemplate = "{{ messages }}"
    let base = try checkpoint(TinyModel.configuration(vocabularySize: 400), settings)
    let (back, _) = try roundTrip(base)
    #expect(back.tokenizerSettings == settings)
    let (a, b) = (
      try TokenizerKind.load(base.tokenizerKind, base.tokenizerBytes),
      try TokenizerKind.load(back.tokenizerKind, back.tokenizerBytes)
    )
    let text = "The river would not wait.  Größe: 12 bread, \(VocabularyTable.probe)"
    #expect(try a.encode(text) == b.encode(text))
    // Rows without a piece have one in the file, which no text gets.
    #expect(b.vocabularySize == 400 && b.isUnused(399))
  }

  /// A file has keys for three ends of texts, and none for their absence.
  @Test func whatHasNoKeyIsSaid() throws {
    var settings = TokenizerSettings()
    settings.endsOfText = [7, 8, 9, 10]
    let several = try checkpoint(TinyModel.configuration(vocabularySize: 400), settings)
    var (back, notes) = try roundTrip(several)
    #expect(back.tokenizerSettings.endsOfText == [7, 8])
    let tokenizer = try TokenizerKind.load(several.tokenizerKind, several.tokenizerBytes)
    #expect(
      notes == [
        "texts end at '\(tokenizer.piece(of: 9))' (id 9), '\(tokenizer.piece(of: 10))' (id 10) too, "
          + "for which there is no key"
      ])
    settings = TokenizerSettings()
    (settings.beginOfSequence, settings.endOfSequence) = (.absent, .absent)
    settings.continuesBehindControls = true
    (back, notes) = try roundTrip(
      checkpoint(TinyModel.configuration(vocabularySize: 400), settings))
    #expect(back.tokenizerSettings.endOfSequence == .id(2))
    #expect(notes.count == 3 && notes[0].contains("no space before texts behind control tokens"))
    #expect(notes[1].contains("has no BOS") && notes[1].contains("(id 1)"))
    #expect(notes[2].contains("has no EOS") && notes[2].contains("(id 2)"))
  }

  @Test func aNamedTokenizerKeepsWhatTheFileSays() throws {
    var settings = TokenizerSettings()
    (settings.beginOfSequence, settings.endOfSequence) = (.id(1), .id(300))
    settings.addsBeginOfSequence = false
    settings.endsOfText = [8]
    settings.chatTemplate = "{{ messages }}"
    let base = try checkpoint(TinyModel.configuration(vocabularySize: 400), settings)
    _ = try roundTrip(base)
    var table = try VocabularyTable(kind: base.tokenizerKind, serialized: base.tokenizerBytes)
    table.pieces[300] = "something else"
    try folder.write(try table.serialized().bytes, to: "other.model")
    try CheckpointImport.run(
      source: folder["m.gguf"], tokenizer: folder["other.model"], elementType: .f32,
      output: folder["c.sfckpt"])
    let back = try Checkpoint.open(folder["c.sfckpt"])
    settings.endOfSequence = .stored
    #expect(back.tokenizerSettings == settings)
    #expect(back.metadata["left_out"]?.string?.hasPrefix("EOS '") == true)
    #expect(back.metadata["left_out"]?.string?.hasSuffix("(id 300)") == true)
  }

  @Test(arguments: [ForeignElementType.f16, .bf16, .q8, .q4])
  func narrowTypesAreClose(_ type: ForeignElementType) throws {
    let base = try checkpoint(TinyModel.configuration(hiddenWidth: 64, vocabularySize: 400))
    let (back, notes) = try roundTrip(base, type)
    #expect(notes.isEmpty == (type != .q4))
    let limits: [ForeignElementType: Float] = [.f16: 0.003, .bf16: 0.02, .q8: 0.02, .q4: 0.35]
    for tensor in base.tensors {
      let found = try #require(back.tensor(tensor.name)).widened()
      let limit = tensor.shape.rank == 1 ? 0 : try #require(limits[type])
      let worst = zip(tensor.widened(), found).map { ($0 - $1).magnitude }.max() ?? 0
      #expect(worst <= limit, "\(tensor.name)")
    }
  }

  /// Rows of 48 are no whole blocks.
  @Test func rowsThatAreNoBlocksAreHalves() throws {
    let base = try checkpoint(TinyModel.configuration(hiddenWidth: 48, vocabularySize: 400))
    let (_, notes) = try roundTrip(base, .q8)
    #expect(notes == ["f16 for 2 matrices, such as blk.0.ffn_down.weight"])
  }

  @Test func nothingIsLeftWhereItCannotBeWritten() throws {
    let base = try checkpoint(TinyModel.configuration(vocabularySize: 400))
    let error = failure {
      _ = try GGUFExport.write(ExportedModel(base), as: .f32, to: folder["no/m.gguf"])
    }
    #expect(error?.category == .cannotCreate)
    #expect(folder.entries == ["a.sfckpt"])
  }
}
