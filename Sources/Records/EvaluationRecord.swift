import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Result of scoring a text: `eval --json`.
public struct EvaluationRecord: JSONRecord {
  /// Number of tokens scored.
  public var tokens: Int
  /// Mean over these tokens, in nats.
  public var loss: Double
  /// Length of the text in bytes.
  public var bytes: Int
  public var tokensPerSecond: Double
  public var peakResidentBytes: Int
  /// Element type that matmuls multiply: f32, bf16 or int8; nil if unknown.
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

  /// Perplexity: e to the mean loss.
  public var perplexity: Double { exp(loss) }

  /// Bits per byte: the loss summed over the tokens, in bits, over the text's bytes.
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
