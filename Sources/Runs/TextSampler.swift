import Chats
import Generation
import Tensors
import Tokenizers

/// Generates text: tokenizes a prompt, continues it and decodes tokens as they are drawn.
public struct TextSampler {
  private let model: LoadedModel

  public init(_ model: LoadedModel) { self.model = model }

  /// The type of the matmuls' operands for the prompt and for single tokens.
  public var precision: GenerationPrecision { GenerationPrecision(model.precision) }

  /// The whole continuation of a prompt.
  ///
  /// - Parameter shouldStop: called after every token; true ends the text there.
  /// - Throws: `GenerationError` for a prompt longer than the model's context.
  public func text(
    after prompt: String, maxTokens: Int, temperature: Double, topP: Double, seed: UInt64,
    shouldStop: () -> Bool = { false }
  ) throws -> String {
    var text = ""
    try stream(
      after: prompt, maxTokens: maxTokens, temperature: temperature, topP: topP, seed: seed
    ) { piece in
      text += piece
      return !shouldStop()
    }
    return text
  }

  /// The continuation of a prompt, piece by piece. Generation stops at the end of a document: at
  /// EOS, or at BOS where the next document would begin.
  ///
  /// - Parameter emit: called with each piece; false ends the text.
  /// - Returns: the number of tokens generated.
  /// - Throws: `GenerationError` for a prompt longer than the model's context.
  @discardableResult
  public func stream(
    after prompt: String, maxTokens: Int, temperature: Double, topP: Double, seed: UInt64,
    emit: (String) -> Bool
  ) throws -> Int {
    let tokenizer = model.tokenizer
    let start = tokenizer.beginOfSequence.map { [$0] } ?? []
    let ids = start + (try prompt.isEmpty ? [] : tokenizer.encode(prompt))
    return try stream(
      after: ids, ends: tokenizer.endsOfText, continuing: !prompt.isEmpty, maxTokens: maxTokens,
      Sampler(temperature: temperature, topP: topP, seed: seed), emit: emit)
  }

  /// The answer to a chat's last message, piece by piece, up to the end of its turn.
  ///
  /// - Parameter emit: called with each piece; false ends the text.
  /// - Returns: the number of tokens generated.
  /// - Throws: `ChatError` for a chat that the template can't write, `GenerationError` for one longer
  ///   than the model's context.
  @discardableResult
  public func answer(
    _ messages: [ChatMessage], template: ChatTemplate, maxTokens: Int, temperature: Double,
    topP: Double, seed: UInt64, emit: (String) -> Bool
  ) throws -> Int {
    let tokenizer = model.tokenizer
    var encoder = SequenceEncoder(tokenizer)
    let ids = try encoder.ids(template.sequence(messages, prompting: true))
    let endOfTurn = tokenizer.controlID(template.endOfTurn).map { [$0] } ?? []
    return try stream(
      after: ids, ends: tokenizer.endsOfText + endOfTurn, continuing: false, maxTokens: maxTokens,
      Sampler(temperature: temperature, topP: topP, seed: seed), emit: emit)
  }

  /// - Parameters:
  ///   - ends: the ids that end the text.
  ///   - continuing: whether the text goes on from other text, and so keeps its first space.
  private func stream(
    after ids: [Int32], ends: [Int32], continuing: Bool, maxTokens: Int, _ sampler: Sampler,
    emit: (String) -> Bool
  ) throws -> Int {
    let context = model.weights.configuration.contextLength
    guard ids.count <= context else {
      throw GenerationError.promptTooLong(tokens: ids.count, context: context)
    }
    let generator = try Generator(
      model.weights, capacity: min(context, ids.count + maxTokens), pool: model.pool,
      kernels: model.kernels, precision: precision)
    var sampler = sampler
    var decoder = StreamingDecoder(model.tokenizer, continuing: continuing)
    var failure: TokenizerError?
    let count = try generator.generate(
      prompt: ids, maxTokens: maxTokens, tokens: KnownTokens(model.tokenizer), sampler: &sampler,
      stop: { ends.contains($0) },
      emit: { id in
        do throws(TokenizerError) { return emit(try decoder.append(id)) } catch { failure = error }
        return false
      })
    if let failure { throw failure }
    _ = emit(try decoder.finish())
    return count
  }
}
