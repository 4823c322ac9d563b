import Checkpoints
import Models
import Storage
import Tensors

/// Reads a LoRA adapter that PEFT wrote, as a delta of a checkpoint.
public enum PEFTImport {
  /// Whether a folder holds an adapter.
  public static func recognises(_ folder: String) -> Bool {
    Folder.exists("\(folder)/\(PEFTExport.configurationName)")
  }

  /// Writes the adapter as a delta.
  ///
  /// - Parameters:
  ///   - folder: holds `adapter_config.json` and `adapter_model.safetensors`.
  ///   - base: the checkpoint that the adapter belongs to; PEFT's files can't prove that.
  ///   - elementType: of the factors.
  ///   - output: the `.sfdelta` file.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError` for what is missing, damaged, of another model or not LoRA.
  @discardableResult
  public static func run(
    folder: String, base: Checkpoint, elementType: ElementType, output: String
  ) throws(CheckpointError) -> String {
    let settings = try Settings(path: "\(folder)/\(PEFTExport.configurationName)")
    let weights = "\(folder)/\(PEFTExport.weightsName)"
    guard Folder.exists(weights) else {
      throw .missing(
        path: folder, what: PEFTExport.weightsName,
        next: "adapter_model.bin is not read; save the adapter as safetensors")
    }
    let updates = try Factors(path: weights).updates(base.configuration, settings)
    return try DeltaWriter.write(
      to: output, base: base, method: ["type": "lora", "rank": .int(settings.rank)], recipe: [:],
      metrics: [:], elementType: elementType, updates: updates)
  }
}

extension PEFTImport {
  /// Every part of a matrix keeps A, and its own rows of B.
  static func parts(
    of parameters: [ParameterDescription], a: [Float], b: [Float], rank: Int, scale: Double
  ) -> [DeltaUpdate] {
    var first = 0
    return parameters.map { parameter in
      let rows = first..<first + parameter.shape[0]
      first = rows.upperBound
      return DeltaUpdate(
        name: parameter.name,
        content: .lowRank(
          rank: rank, scale: scale, a: a,
          b: Array(b[rows.lowerBound * rank..<rows.upperBound * rank])))
    }
  }

  /// What the configuration says about scales.
  struct Settings {
    let rank: Int
    private let alpha: Double
    private let alphas: [(pattern: String, alpha: Double)]
    private let usesRootOfRank: Bool

    init(path: String) throws(CheckpointError) {
      let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
      let fields = try JSONFields(value, path: path, place: "")
      func refuse(_ key: String, unless expected: [JSONValue]) throws(CheckpointError) {
        let found = fields.object[key] ?? .null
        guard !expected.contains(found) else { return }
        throw .unsupported(
          path: path, field: key, found: JSONFields.shown(found),
          expected: expected.map { $0.encoded() }.joined(separator: " or "))
      }
      try refuse("peft_type", unless: ["LORA"])
      try refuse("bias", unless: ["none", .null])
      for key in ["use_dora", "fan_in_fan_out"] { try refuse(key, unless: [false, .null]) }
      try refuse("modules_to_save", unless: [.null, .array([])])
      rank = try fields.int("r", in: 1...1 << 16)
      alpha = try fields.double("lora_alpha")
      usesRootOfRank = fields.object["use_rslora"]?.bool ?? false
      alphas = try Self.alphas(fields)
    }

    /// Alphas of single matrices, by the ends of their names.
    /// - Throws: `CheckpointError.unsupported` for other regular expressions, which PEFT allows.
    private static func alphas(
      _ fields: JSONFields
    ) throws(CheckpointError) -> [(pattern: String, alpha: Double)] {
      let key = "alpha_pattern"
      let value = fields.object[key] ?? .null
      guard !value.isNull else { return [] }
      guard let members = value.object?.members else {
        throw fields.problem(key, value, "an object of numbers")
      }
      var alphas: [(pattern: String, alpha: Double)] = []
      for member in members {
        guard let alpha = member.value.double, alpha.isFinite else {
          throw fields.problem("\(key)['\(member.key)']", member.value, "a number")
        }
        let isName = member.key.utf8.allSatisfy {
          switch $0 {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
          default: false
          }
        }
        guard isName, !member.key.isEmpty else {
          throw .unsupported(
            path: fields.path, field: key, found: JSONFields.shown(.string(member.key)),
            expected: "names of matrices or their ends, such as q_proj")
        }
        alphas.append((member.key, alpha))
      }
      return alphas
    }

    /// Whether a name ends with a pattern, at its beginning or behind a dot, as PEFT matches
    /// `(.*\.)?(pattern)$`; a dot of the pattern stands for any character.
    private static func matches(_ module: String, _ pattern: String) -> Bool {
      let (name, pattern) = (Array(module.utf8), Array(pattern.utf8))
      let start = name.count - pattern.count
      let dot = UInt8(ascii: ".")
      guard start >= 0, start == 0 || name[start - 1] == dot else { return false }
      return zip(name[start...], pattern).allSatisfy { $0 == $1 || $1 == dot }
    }

    /// The factor on B·A (Hu et al. 2021; Kalajdzievski 2023 with the root).
    func scale(of module: String, rank: Int) -> Double {
      let special = alphas.first { Self.matches(module, $0.pattern) }?.alpha
      let divisor = usesRootOfRank ? Double(rank).squareRoot() : Double(rank)
      return (special ?? alpha) / divisor
    }
  }

  /// The adapter's tensors, matched to a model's matrices.
  private struct Factors {
    private let path: String
    private let file: SafetensorsFile

    init(path: String) throws(CheckpointError) {
      self.path = path
      file = try SafetensorsFile(path: path)
    }

    /// The changes of the matrices that the adapter names.
    func updates(
      _ configuration: ModelConfiguration, _ settings: Settings
    ) throws(CheckpointError) -> [DeltaUpdate] {
      var rest = Set(file.entries.keys)
      var updates: [DeltaUpdate] = []
      for (name, parameters) in configuration.schema.tensors(in: .huggingFace) {
        let module = name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
        let prefix = "\(PEFTExport.prefix)\(module)"
        let names = (a: "\(prefix).lora_A.weight", b: "\(prefix).lora_B.weight")
        guard let a = file.entries[names.a], let b = file.entries[names.b] else { continue }
        rest.subtract([names.a, names.b])
        let outputs = parameters.reduce(0) { $0 + $1.shape[0] }
        let inputs = parameters[0].shape.extents.last ?? 0
        guard a.shape.count == 2, a.shape[0] > 0, a.shape[1] == inputs,
          b.shape == [outputs, a.shape[0]], parameters[0].shape.rank == 2
        else {
          throw .damaged(
            path: path, field: "shapes of '\(prefix)'", found: "\(a.shape) and \(b.shape)",
            expected: "[r, \(inputs)] and [\(outputs), r], for the model")
        }
        updates += try PEFTImport.parts(
          of: parameters, a: values(names.a, a), b: values(names.b, b), rank: a.shape[0],
          scale: settings.scale(of: module, rank: a.shape[0]))
      }
      if let other = rest.min() {
        throw .unsupported(
          path: path, field: "tensors", found: "'\(other)'",
          expected: "lora_A and lora_B of matrices that the model has")
      }
      guard !updates.isEmpty else {
        throw .damaged(path: path, field: "tensors", found: "none", expected: "lora_A and lora_B")
      }
      return updates
    }

    private func values(
      _ name: String, _ entry: SafetensorsFile.Entry
    ) throws(CheckpointError) -> [Float] {
      let count = entry.shape.reduce(1, *)
      var result = [Float](repeating: 0, count: count)
      switch try file.source(name, entry) {
      case .stored(let tensor): result = tensor.widened()
      case .values(let values): result = values
      case .rows(let reader):
        let outcome: Result<Void, CheckpointError> = result.withUnsafeMutableBufferPointer {
          buffer in
          guard let start = buffer.baseAddress else { return .success(()) }
          return Result { () throws(CheckpointError) in
            try reader(0..<entry.shape[0], start)
          }
        }
        try outcome.get()
      }
      return result
    }
  }
}
