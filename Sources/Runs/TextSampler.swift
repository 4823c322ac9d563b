import Execution
import Generation
import Tensors
import Tokenizers
import Weights

/// Text in, text out: tokenizes a prompt, generates behind it and decodes as tokens arrive.
public struct TextSampler {
  private let weights: ModelWeights
  private let tokenizer: any Tokenizer
  private let pool: WorkerPool
  private let kernels: Kernels

  public init(weights: ModelWeights, tokenizer: any Tokenizer, pool: WorkerPool, kernels: Kernels) {
    self.weights = weights
    self.tokenizer = tokenizer
    self.pool = pool
    self.kernels = kernels
  }

  public init(_ model: LoadedModel) {
    self.init(
      weights: model.weights, tokenizer: model.tokenizer, pool: model.pool, kernels: model.kernels)
  }

  /// The continuation of a prompt, whole.
  ///
  /// - Parameter shouldStop: asked after every token; true ends the text there.
  /// - Throws: `GenerationError` for a prompt that the model's context does not hold.
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

  /// The continuation of a prompt, piece by piece. Ends at the end of a document: at EOS, or at BOS
  /// where the next one would begin.
  ///
  /// - Parameter emit: gets each piece; false ends the text.
  /// - Returns: the number of tokens generated.
  /// - Throws: `GenerationError` for a prompt that the model's context does not hold.
  @discardableResult
  public func stream(
    after prompt: String, maxTokens: Int, temperature: Double, topP: Double, seed: UInt64,
    emit: (String) -> Bool
  ) throws -> Int {
    let start = tokenizer.beginOfSequence.map { [$0] } ?? []
    let ids = start + (try prompt.isEmpty ? [] : tokenizer.encode(prompt))
    let context = weights.configuration.contextLength
    guard ids.count <= context else {
      throw GenerationError.promptTooLong(tokens: ids.count, context: context)
    }
    let generator = try Generator(
      weights, capacity: min(context, ids.count + maxTokens), pool: pool, kernels: kernels)
    var sampler = Sampler(temperature: temperature, topP: topP, seed: seed)
    var decoder = StreamingDecoder(tokenizer, continuing: !prompt.isEmpty)
    let ends = [tokenizer.beginOfSequence, tokenizer.endOfSequence].compactMap { $0 }
    let count = try generator.generate(
      prompt: ids, maxTokens: maxTokens, sampler: &sampler, stop: { ends.contains($0) },
      emit: { emit(decoder.append($0)) })
    _ = emit(decoder.finish())
    return count
  }
}
