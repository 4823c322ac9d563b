import CSentencePiece
import Synchronization

/// A model loaded a second time with `add_dummy_prefix` off, when it is first needed.
final class BareModel: Sendable {
  private let serialized: [UInt8]
  private let loaded: Mutex<UInt?> = Mutex(nil)

  /// `normalizer_spec {add_dummy_prefix: false}` behind a serialized model: a later value of a field
  /// takes the place of an earlier one, messages are merged field by field.
  private static let noPrefix: [UInt8] = [0x1A, 2, 0x18, 0]

  init(_ serialized: [UInt8]) { self.serialized = serialized }

  deinit {
    let address = loaded.withLock { $0 }
    if let address { sft_sentencepiece_free(OpaquePointer(bitPattern: address)) }
  }

  func model() throws(TokenizerError) -> OpaquePointer {
    let result: Result<UInt, TokenizerError> = loaded.withLock { loaded in
      if let loaded { return .success(loaded) }
      return Result { () throws(TokenizerError) in
        let model = try load()
        loaded = model
        return model
      }
    }
    guard let model = OpaquePointer(bitPattern: try result.get()) else {
      throw .invalidModel(reason: "SentencePiece loaded nothing")
    }
    return model
  }

  private func load() throws(TokenizerError) -> UInt {
    let bytes = serialized + Self.noPrefix
    var model: OpaquePointer?
    try SentencePieceTokenizer.check("loading the SentencePiece model", TokenizerError.invalidModel)
    { message in
      bytes.withUnsafeBytes {
        sft_sentencepiece_load($0.baseAddress, $0.count, &model, message)
      }
    }
    return UInt(bitPattern: model)
  }
}
