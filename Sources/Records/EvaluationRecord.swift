import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// What scoring a text found: `eval --json`.
public struct EvaluationRecord: JSONRecord {
  /// Tokens that were scored.
  public var tokens: Int
  /// Mean over these tokens, in nats.
  public var loss: Double
  /// Of the text.
  public var bytes: Int
  public var tokensPerSecond: Double
  public var peakResidentBytes: Int
  /// What matmuls multiplied: f32, bf16 or int8; nil where that is not known.
  public var precision: String?

  public init(
    tokens: Int, loss: Double, bytes: Int, tokensPerSecond: Double, peakResidentBytes: Int,
    precision: String?
  ) {
    self.tokens = tokens
    self.loss = loss
    self.bytes = bytes
    self.tokensPerSecond = tokensPerSecond
    self.peakResidentBytes = peakResidentBytes
    self.precision = precision
  }

  /// e to the mean loss.
  public var perplexity: Double { exp(loss) }

  /// The text's information by its length.
  public var bitsPerByte: Double { loss * Double(tokens) / log(2) / Double(max(1, bytes)) }

  public init(_ json: JSONValue) {
    self.init(
      tokens: json.int("tokens"), loss: json["loss"]?.double ?? .nan, bytes: json.int("bytes"),
      tokensPerSecond: json.double("tokens_per_second"),
      peakResidentBytes: json.int("peak_rss_bytes"), precision: json["precision"]?.string)
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "tokens": .int(tokens), "loss": .number(loss), "perplexity": .number(perplexity),
      "bits_per_byte": .number(bitsPerByte), "bytes": .int(bytes),
      "tokens_per_second": .number(tokensPerSecond), "peak_rss_bytes": .int(peakResidentBytes),
    ]
    if let precision { object["precision"] = .string(precision) }
    return .object(object)
  }
}
