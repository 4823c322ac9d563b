import CSentencePiece
import Synchronization

/// A model loaded by the library; freed with the last reference.
final class LoadedModel: Sendable {
  // Immutable once loaded; SentencePiece's const functions are thread-safe.
  nonisolated(unsafe) let handle: OpaquePointer

  init(_ handle: OpaquePointer) { self.handle = handle }

  deinit { sft_sentencepiece_free(handle) }
}

/// A model loaded a second time with `add_dummy_prefix` off, when it is first needed.
final class BareModel: Sendable {
  private let serialized: [UInt8]
  private let loaded: Mutex<LoadedModel?> = Mutex(nil)

  /// `normalizer_spec {add_dummy_prefix: false}` behind a serialized model: a later value of a field
  /// takes the place of an earlier one, messages are merged field by field.
  private static let noPrefix: [UInt8] = [0x1A, 2, 0x18, 0]

  init(_ serialized: [UInt8]) { self.serialized = serialized }

  func model() throws(TokenizerError) -> LoadedModel {
    let result: Result<LoadedModel, TokenizerError> = loaded.withLock { loaded in
      if let loaded { return .success(loaded) }
      return Result { () throws(TokenizerError) in
        let model = try load()
        loaded = model
        return model
      }
    }
    return try result.get()
  }

  /// Gives the memory back, once no call uses the model any more; the next call loads it again.
  func release() { loaded.withLock { $0 = nil } }

  private func load() throws(TokenizerError) -> LoadedModel {
    let bytes = serialized + Self.noPrefix
    var model: OpaquePointer?
    try SentencePieceTokenizer.check("loading the SentencePiece model", TokenizerError.invalidModel)
    { message in
      bytes.withUnsafeBytes {
        sft_sentencepiece_load($0.baseAddress, $0.count, &model, message)
      }
    }
    guard let model else { throw .invalidModel(reason: "SentencePiece loaded nothing") }
    return LoadedModel(model)
  }
}
