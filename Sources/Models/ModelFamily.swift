import Graphs
import Storage
import Tensors

/// A family of models: its schema, its configurations in other formats, and its forward pass. Each
/// family has one folder, and one line in `ModelFamilies.all`.
public protocol ModelFamily: Sendable {
  /// The family's name in checkpoints.
  static var name: String { get }
  /// The `model_type`s in Hugging Face's config.json that belong to this family.
  static var huggingFaceTypes: [String] { get }
  /// The configuration that a config.json describes.
  ///
  /// - Throws: `ConfigurationError` for what is missing, wrong or not supported.
  static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration
  /// The architectures of GGUF files that belong to this family.
  static var ggufArchitectures: [String] { get }
  /// The configuration that a GGUF file describes.
  ///
  /// - Throws: `ConfigurationError` for what is missing, wrong or not supported.
  static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration
  /// The architecture as which GGUF files hold the family's models; nil if none does.
  static var ggufArchitecture: String? { get }
  /// Whether that architecture's files interleave the pairs of query and key rows (llama.cpp's
  /// "normal" rotary type); the others have them in halves.
  static var ggufInterleavesRotaryRows: Bool { get }
  /// The linear maps of a configuration whose biases a format's files can hold.
  static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind>
  /// What of a configuration llama.cpp reads and leaves out of account, a sentence each.
  static func ggufNotes(_ configuration: ModelConfiguration) -> [String]
  /// What that architecture's files say of a configuration beside `ModelConfiguration.gguf`'s common
  /// fields.
  ///
  /// - Throws: `ConfigurationError.unsupported` for what they have no words for.
  static func ggufFields(
    _ configuration: ModelConfiguration
  ) throws(ConfigurationError) -> [(key: String, value: GGUFField)]
  /// The members of a config.json that describe a configuration: what `configuration(huggingFace:)`
  /// reads, and the class that `transformers` loads.
  static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject
  /// The name that the schema has for a tensor of a Hugging Face file; nil for one that is no part
  /// of the language model and is left out.
  static func languageModelName(huggingFace name: String) -> String?
  /// What the tensors are that `languageModelName` leaves out, such as "of a vision model".
  static var otherTensors: String { get }
  /// Every parameter in file order.
  static func schema(_ configuration: ModelConfiguration) -> ModelSchema

  init(_ configuration: ModelConfiguration)

  /// The forward pass.
  var decoder: Decoder { get }
}

extension ModelFamily {
  public static func languageModelName(huggingFace name: String) -> String? { name }
  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> { [] }
  public static var otherTensors: String { "outside the language model" }

  /// The forward pass of `batch` windows of `tokens` tokens down to the per-token loss.
  ///
  /// N = batch · tokens, D width. Inputs: "tokens", "targets" (−1: not scored) and
  /// "document_starts", int32 [N]. Output: "loss" f32 [N], in nats.
  /// - Parameters:
  ///   - block: the block to start at, 0 to the number of blocks. Above 0 an input "prefix",
  ///     f32 [N, D], the residual stream entering that block, takes the place of "tokens".
  ///   - streams: blocks below the last one that is left out. Of each an input "stream[i]", f32 [N, D],
  ///     is the residual stream behind it, as the input of module "layers[i + 1]".
  ///   - elementType: how the checkpoint stores the parameter of that name.
  public func traceLoss(
    batch: Int, tokens: Int, from block: Int = 0, streams: [Int] = [],
    elementType: @escaping (String) -> ElementType
  ) -> Graph {
    decoder.traceLoss(
      batch: batch, tokens: tokens, from: block, streams: streams, elementType: elementType)
  }

  /// The forward pass below a block, whose output `traceLoss` from that block takes as "prefix".
  ///
  /// Inputs: "tokens" and "document_starts", int32 [N]. Output: "prefix" f32 [N, D], the residual
  /// stream entering `block`.
  ///
  /// - Parameter streams: as for `traceLoss`, from the lowest up; what it takes as "stream[i]" is written
  ///   over an input of that name here.
  public func tracePrefix(
    batch: Int, tokens: Int, through block: Int, streams: [Int] = [],
    elementType: @escaping (String) -> ElementType
  ) -> Graph {
    decoder.tracePrefix(
      batch: batch, tokens: tokens, through: block, streams: streams, elementType: elementType)
  }

  /// The forward pass of `batch` windows of `tokens` tokens down to the logits.
  ///
  /// Inputs: "tokens" and "document_starts", int32 [N]. Output: "logits" f32 [N, V].
  public func traceLogits(
    batch: Int, tokens: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    decoder.traceLogits(batch: batch, tokens: tokens, elementType: elementType)
  }

  /// The forward pass of `rows` tokens behind a cache, down to the logits.
  ///
  /// Inputs: "tokens" int32 [rows], "position" int32 [1] (of the first row). External:
  /// "layers[i].attention.keys" and ".values", f32 [capacity, Hkv·hw]. Output: "logits"
  /// f32 [rows, V].
  public func traceDecoding(
    rows: Int, capacity: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    decoder.traceDecoding(rows: rows, capacity: capacity, elementType: elementType)
  }
}

extension ModelFamily {
  public static var ggufArchitectures: [String] { [] }
  public static var ggufArchitecture: String? { ggufArchitectures.first }
  public static var ggufInterleavesRotaryRows: Bool { false }
  public static func ggufNotes(_ configuration: ModelConfiguration) -> [String] { [] }

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    throw .unsupported(
      field: "general.architecture", found: "'\(description.architecture)'",
      expected: "an architecture of another family")
  }

  public static func ggufFields(
    _ configuration: ModelConfiguration
  ) throws(ConfigurationError) -> [(key: String, value: GGUFField)] {
    if let window = configuration.slidingWindow, window < configuration.contextLength {
      throw .unsupported(
        field: "sliding_window", found: "\(window)",
        expected: "none, or at least the context of \(configuration.contextLength): "
          + "\(ggufArchitecture ?? name)'s files have none")
    }
    return []
  }
}

/// The implemented families.
public enum ModelFamilies {
  public static let all: [any ModelFamily.Type] = [
    Llama.self, Mistral.self, Qwen2.self, Qwen3.self, Phi3.self,
    Gemma3.self,
  ]

  /// The family of that name; nil if it is unknown.
  public static func named(_ name: String) -> (any ModelFamily.Type)? {
    all.first { $0.name == name }
  }
}

extension ModelConfiguration {
  /// The family's type. The family must be known: readers of configurations check `problem` first.
  public var familyType: any ModelFamily.Type {
    guard let type = ModelFamilies.named(family) else {
      preconditionFailure("no family '\(family)'")
    }
    return type
  }

  /// The model, to be traced.
  public var model: any ModelFamily { familyType.init(self) }

  public var schema: ModelSchema { familyType.schema(self) }

  /// Every parameter in file order.
  public var parameters: [ParameterDescription] { schema.parameters }

  /// Every parameter that fine-tuning can change: `parameters`, and those that a change of theirs
  /// adds to the model (`including`).
  public var trainableParameters: [ParameterDescription] {
    let biases = LinearKind.allCases.map { ParameterPath(layer: 0, .linear($0).bias).description }
    return including([ParameterRole.head.rawValue] + biases).parameters
  }

  /// The same configuration with parameters of those names, where it has none: a `head` [V, D] of a
  /// tied model, which starts as a copy of the embedding and diverges from it, and biases of linear
  /// maps, which start at zero. Biases come and go as configurations have them, so others are
  /// included with them.
  public func including(_ names: some Sequence<String>) -> ModelConfiguration {
    var copy = self
    let roles = Set(names.compactMap { ParameterPath($0)?.role })
    if roles.contains(.head) { copy.tiedHead = false }
    func includesBias(of kinds: LinearKind...) -> Bool {
      kinds.contains { roles.contains(.linear($0).bias) }
    }
    if includesBias(of: .output) || (!attentionBias && includesBias(of: .query, .key, .value)) {
      (copy.attentionBias, copy.outputBias) = (true, true)
    }
    copy.mlpBias = mlpBias || includesBias(of: .gate, .up, .down)
    return copy
  }

  /// The same configuration with an untied head.
  public var untied: ModelConfiguration {
    var copy = self
    copy.tiedHead = false
    return copy
  }

  /// Number of parameters, a tied head counted once.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }
}
