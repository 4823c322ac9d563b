import Execution
import Generation
import Tensors
import Tokenizers
import Weights

/// Text in, text out: tokenizes a prompt, generates behind it and decodes as tokens arrive.
struct TextSampler {
  let weights: ModelWeights
  let tokenizer: Tokenizer
  let pool: WorkerPool
  let kernels: Kernels

  /// The continuation of a prompt, whole.
  func text(
    after prompt: String, maxTokens: Int, temperature: Double, topP: Double, seed: UInt64
  ) throws -> String {
    var text = ""
    try stream(
      after: prompt, maxTokens: maxTokens, temperature: temperature, topP: topP, seed: seed
    ) { text += $0 }
    return text
  }

  /// The continuation of a prompt, piece by piece. Ends at the end of a document: at EOS, or at BOS
  /// where the next one would begin.
  ///
  /// - Returns: the number of tokens generated.
  @discardableResult
  func stream(
    after prompt: String, maxTokens: Int, temperature: Double, topP: Double, seed: UInt64,
    emit: (String) -> Void
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
      emit: { token in
        emit(decoder.append(token))
        return !Interruption.isRequested
      })
    emit(decoder.finish())
    return count
  }
}
