/// A value that a GGUF file keeps of a model's configuration.
public enum GGUFField: Hashable, Sendable {
  /// An unsigned 32-bit integer.
  case count(Int)
  /// A single.
  case single(Double)
  case text(String)
}

extension ModelConfiguration {
  /// The architecture as which GGUF files hold the model, and what they say of its configuration,
  /// by keys without the architecture's name: the inverse of `GGUFDescription`.
  ///
  /// - Throws: `ConfigurationError.unsupported` for a model that no such file describes.
  public func gguf() throws(ConfigurationError) -> (
    architecture: String, fields: [(key: String, value: GGUFField)]
  ) {
    guard let architecture = familyType.ggufArchitecture else {
      throw .unsupported(
        field: "family", found: "'\(family)'",
        expected: ModelFamilies.all.filter { $0.ggufArchitecture != nil }.map { $0.name }
          .joined(separator: ", "))
    }
    return (architecture, commonGGUFFields + (try familyType.ggufFields(self)))
  }

  /// What the files of all architectures say alike.
  private var commonGGUFFields: [(key: String, value: GGUFField)] {
    var fields: [(key: String, value: GGUFField)] = [
      ("block_count", .count(layers)), ("context_length", .count(contextLength)),
      ("embedding_length", .count(width)), ("feed_forward_length", .count(hiddenWidth)),
      ("attention.head_count", .count(queryHeads)),
      ("attention.head_count_kv", .count(keyValueHeads)),
      ("attention.key_length", .count(headWidth)), ("attention.value_length", .count(headWidth)),
      ("attention.layer_norm_rms_epsilon", .single(normEpsilon)),
      ("rope.dimension_count", .count(headWidth)), ("rope.freq_base", .single(rotaryBase)),
      ("vocab_size", .count(vocabularySize)),
    ]
    if case .linear(let factor) = rotaryScaling {
      fields += [
        ("rope.scaling.type", .text("linear")), ("rope.scaling.factor", .single(factor)),
      ]
    }
    return fields
  }

  /// The factors on rotary wavelengths that files keep of Llama 3's rule (`rope_freqs.weight`), one
  /// per pair of a head; nil for other rules.
  public var rotaryFactors: [Float]? {
    guard case .llama3 = rotaryScaling else { return nil }
    var plain = self
    plain.rotaryScaling = .none
    return zip(RotaryTable.frequencies(plain), RotaryTable.frequencies(self)).map {
      Float($0 / $1)
    }
  }
}
