import Datasets
import Generation
import Tokenizers

/// Greedy texts after prompts, each compared with the text that it should be.
struct GreedyTexts {
  private let model: LoadedModel
  private let generator: Generator
  private let maxTokens: Int
  /// Texts that end a generated text, which does not include them.
  private let stops: [String]
  private let ends: Set<Int32>

  /// - Parameters:
  ///   - longest: ids of the longest prompt.
  ///   - ends: ids that end a text.
  init(
    _ model: LoadedModel, longest: Int, maxTokens: Int, stops: [String], ends: [Int32]
  ) throws {
    self.model = model
    self.maxTokens = maxTokens
    self.stops = stops
    self.ends = Set(ends)
    generator = try Generator(
      model.weights, capacity: longest + maxTokens, pool: model.pool, kernels: model.kernels,
      precision: GenerationPrecision(model.precision))
  }

  /// Generates the likeliest text until it ends or is certain to be another one.
  ///
  /// - Returns: the text so far without white space around it, and whether it is `target` without
  ///   white space around that.
  func text(
    after prompt: [Int32], target: String, shouldStop: () -> Bool
  ) throws -> (text: String, isTarget: Bool) {
    let target = Self.trimmed(target)
    var sampler = Sampler(temperature: 0, topP: 1, seed: 0)
    var decoder = StreamingDecoder(model.tokenizer, continuing: true)
    var text = ""
    var failure: TokenizerError?
    try generator.generate(
      prompt: prompt, maxTokens: maxTokens, tokens: KnownTokens(model.tokenizer),
      sampler: &sampler, stop: { ends.contains($0) },
      emit: { id in
        do throws(TokenizerError) { text += try decoder.append(id) } catch { failure = error }
        return failure == nil && end(of: text) == nil && mayBecome(target, text) && !shouldStop()
      })
    if let failure { throw failure }
    text += try decoder.finish()
    let whole = Self.trimmed(String(text[..<(end(of: text) ?? text.endIndex)]))
    return (whole, whole.utf8.elementsEqual(target.utf8))
  }

  /// Where the first stop begins.
  private func end(of text: String) -> String.Index? {
    stops.compactMap { text.firstRange(of: $0)?.lowerBound }.min()
  }

  /// Whether a text that goes on may still be the target, with a stop behind it. Compared byte by
  /// byte: a letter may still get its accent.
  private func mayBecome(_ target: String, _ text: String) -> Bool {
    let begun = text.drop(while: \.isWhitespace).utf8
    if target.utf8.starts(with: begun) { return true }
    guard begun.starts(with: target.utf8) else { return false }
    let rest = Substring(begun.dropFirst(target.utf8.count)).drop(while: \.isWhitespace)
    return rest.isEmpty || rest.utf8.count < stops.map(\.utf8.count).max() ?? 0
  }

  private static func trimmed(_ text: String) -> String {
    var text = text[...].drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
