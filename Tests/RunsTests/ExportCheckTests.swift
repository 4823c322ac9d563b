import Checkpoints
import Interchange
import Models
import TestSupport
import Testing

@testable import Runs

/// Exports that are read back: what `--verify` accepts and what it does not.
@Suite struct ExportCheckTests {
  private let fixture: RunsFixture
  private let checkpoint: Checkpoint

  init() throws {
    fixture = try RunsFixture()
    var settings = TokenizerSettings()
    settings.chatTemplate = "{{ messages }}"
    checkpoint = try Self.copy(
      Checkpoint.open(fixture.model), to: fixture.folder["templated.sfckpt"], settings)
  }

  /// A checkpoint with other settings of its tokenizer, and other values of a parameter.
  fileprivate static func copy(
    _ checkpoint: Checkpoint, to path: String, _ settings: TokenizerSettings,
    changing changed: String = "", by factor: Float = 1
  ) throws -> Checkpoint {
    try CheckpointWriter.write(
      to: path, configuration: checkpoint.configuration,
      tokenizer: StoredTokenizer(
        kind: checkpoint.tokenizerKind, bytes: Array(checkpoint.tokenizerBytes),
        settings: settings),
      elementType: .f32,
      tensors: { (name) throws(CheckpointError) in
        let values = checkpoint.tensor(name)?.widened() ?? []
        return .values(name == changed ? values.map { $0 * factor } : values)
      })
    return try Checkpoint.open(path)
  }

  private func export(
    as format: any ExportFormat.Type, _ type: ForeignElementType, delta: Delta? = nil
  ) throws -> ExportCheck {
    let model = try ExportedModel(checkpoint, deltas: delta.map { [($0, 1)] } ?? [])
    let check = try ExportCheck.export(
      model, as: format, elementType: type, to: fixture.folder["out-\(format.name)-\(type)"],
      verifies: true, threads: 1
    ).check
    #expect(!fixture.folder.entries.contains { $0.hasSuffix(".partial") })
    return try #require(check)
  }

  /// What is rounded is compared with what was rounded alike.
  @Test func soundExportsHold() throws {
    for type in [ForeignElementType.f32, .bf16, .f16] {
      let check = try export(as: HuggingFaceExport.self, type)
      #expect((check.rounding == nil) == (type == .f32))
      #expect(check.difference <= 1e-6)
    }
    for type in [ForeignElementType.f16, .bf16, .q8, .q4] {
      let check = try export(as: GGUFExport.self, type)
      #expect(check.difference <= 1e-6)
      #expect(try #require(check.rounding).difference > 1e-5)
    }
  }

  /// Matrices that are stored in bf16 stay so where gains and biases are bf16 as well; what a run trained of
  /// these has more bits, and is not rounded with them unless that is asked for.
  @Test func trainedGainsAreNotRoundedUnasked() throws {
    let path = fixture.folder["narrow.sfckpt"]
    try CheckpointWriter.write(
      to: path, configuration: checkpoint.configuration,
      tokenizer: StoredTokenizer(
        kind: checkpoint.tokenizerKind, bytes: Array(checkpoint.tokenizerBytes)),
      elementType: .bf16,
      tensors: { (name) throws(CheckpointError) in
        let values = checkpoint.tensor(name)?.widened() ?? []
        return .values(name.hasSuffix("norm") ? values.map { $0.rounded() } : values)
      })
    let narrow = try Checkpoint.open(path)
    #expect(HuggingFaceExport.usualElementType(of: try ExportedModel(narrow)) == .bf16)
    let gains = (0..<narrow.configuration.width).map { 1 + Float($0) / 1000 }
    try DeltaWriter.write(
      to: fixture.folder["gains.sfdelta"], base: narrow, method: [:], recipe: [:], metrics: [:],
      elementType: .f32,
      updates: [
        DeltaUpdate(
          name: "norm",
          content: .rows(0..<gains.count) { (range, target) throws(CheckpointError) in
            for index in range { target[index - range.lowerBound] = gains[index] }
          })
      ])
    let trained = try ExportedModel(
      narrow, deltas: [(Delta.open(fixture.folder["gains.sfdelta"]), 1)])
    #expect(HuggingFaceExport.usualElementType(of: trained) == .f32)
    #expect(GGUFExport.usualElementType(of: trained) == .bf16)
    func check(_ type: ForeignElementType?) throws -> ExportCheck {
      try #require(
        try ExportCheck.export(
          trained, as: HuggingFaceExport.self, elementType: type,
          to: fixture.folder["gains-\(type?.rawValue ?? "usual")"], verifies: true, forces: true,
          threads: 1
        ).check)
    }
    #expect(try check(nil).rounding == nil)
    #expect(try #require(check(.bf16).rounding).difference > 1e-4)
  }

  @Test func roundedAdaptersHold() throws {
    let shape = try #require(checkpoint.tensor("layers[1].mlp.up")).shape
    func values(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 7) * 0.0131 - 0.03 } }
    try DeltaWriter.write(
      to: fixture.folder["d.sfdelta"], base: checkpoint, method: [:], recipe: [:], metrics: [:],
      elementType: .f32,
      updates: [
        DeltaUpdate(
          name: "layers[1].mlp.up",
          content: .lowRank(
            rank: 2, scale: 3, a: .values(values(2 * shape[1])),
            b: .values(values(2 * shape[0]))))
      ])
    let delta = try Delta.open(fixture.folder["d.sfdelta"])
    let check = try export(as: PEFTExport.self, .bf16, delta: delta)
    #expect(check.difference <= 1e-6)
    #expect(try #require(check.rounding).difference > 1e-7)
  }

  /// An export that loses a part of the tokenizer's settings.
  @Test(arguments: ["chat template", "EOS", "BOS"])
  func aLostSettingIsFound(_ what: String) throws {
    let format: any ExportFormat.Type =
      switch what {
      case "EOS": LosesEnd.self
      case "BOS": LosesBegin.self
      default: LosesTemplate.self
      }
    let error = #expect(throws: RunsError.self) { try export(as: format, .f32) }
    #expect(error?.description.contains(what) == true, "\(error?.description ?? "")")
  }

  /// Two percent on one norm's gains, within what rounding to four bits changes.
  @Test(arguments: [ForeignElementType.q8, .q4, .f16])
  func aWrongWeightIsFoundBehindRounding(_ type: ForeignElementType) {
    let error = #expect(throws: RunsError.self) { try export(as: ScalesNorm.self, type) }
    #expect(error?.description.contains("logits by up to") == true)
  }
}

/// A format whose reader gives another model than was written.
private protocol WrongFormat: ExportFormat {
  static func change(_ settings: inout TokenizerSettings)
  static var normFactor: Float { get }
}

extension WrongFormat {
  static var name: String { "gguf" }
  static var elementTypes: [ForeignElementType] { GGUFExport.elementTypes }
  static var normFactor: Float { 1 }
  static func change(_ settings: inout TokenizerSettings) {}

  static func write(
    _ model: ExportedModel, as elementType: ForeignElementType, to path: String
  ) throws(CheckpointError) -> [String] {
    try GGUFExport.write(model, as: elementType, to: path)
  }

  static func readBack(
    _ path: String, base: Checkpoint, temporary: String
  ) throws(InterchangeError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    let found = try GGUFExport.readBack(path, base: base, temporary: temporary).checkpoint
    var settings = found.tokenizerSettings
    change(&settings)
    do {
      let changed = try ExportCheckTests.copy(
        found, to: temporary, settings, changing: "norm", by: normFactor)
      return (changed, [])
    } catch {
      Issue.record(error)
      return (found, [])
    }
  }

  static func rounded(
    _ model: ExportedModel, as elementType: ForeignElementType, like found: Checkpoint,
    temporary: String
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    try GGUFExport.rounded(model, as: elementType, like: found, temporary: temporary)
  }
}

private enum LosesTemplate: WrongFormat {
  static func change(_ settings: inout TokenizerSettings) { settings.chatTemplate = nil }
}

private enum LosesEnd: WrongFormat {
  static func change(_ settings: inout TokenizerSettings) { settings.endOfSequence = .absent }
}

private enum LosesBegin: WrongFormat {
  static func change(_ settings: inout TokenizerSettings) { settings.addsBeginOfSequence = false }
}

private enum ScalesNorm: WrongFormat {
  static let normFactor: Float = 1.02
}
