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
    let settings = try PEFTSettings(path: "\(folder)/\(PEFTExport.configurationName)")
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
          rank: rank, scale: scale, a: .values(a),
          b: .values(Array(b[rows.lowerBound * rank..<rows.upperBound * rank]))))
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
      _ configuration: ModelConfiguration, _ settings: PEFTSettings
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
        let rank = settings.rank(of: module)
        guard a.shape[0] == rank else {
          throw .damaged(
            path: path, field: "shape of '\(names.a)'", found: "\(a.shape)",
            expected: "[\(rank), \(inputs)], the rank that \(PEFTExport.configurationName) says")
        }
        updates += try PEFTImport.parts(
          of: parameters, a: values(names.a, a), b: values(names.b, b), rank: rank,
          scale: settings.scale(of: module))
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
      func read(_ reader: RowReader) throws(CheckpointError) {
        let outcome: Result<Void, CheckpointError> = result.withUnsafeMutableBufferPointer {
          buffer in
          guard let start = buffer.baseAddress else { return .success(()) }
          return Result { () throws(CheckpointError) in
            try reader(0..<entry.shape[0], start)
          }
        }
        try outcome.get()
      }
      switch try file.source(name, entry) {
      case .stored(let tensor): result = tensor.widened()
      case .values(let values): result = values
      case .rows(let reader): try read(reader)
      case .integers(let rows): try read(rows.read)
      }
      if let index = result.firstIndex(where: { !$0.isFinite }) {
        throw .unusableWeight(
          path: path, tensor: name, found: "\(result[index]) in row \(index / entry.shape[1])",
          expected: "finite weights")
      }
      return result
    }
  }
}
