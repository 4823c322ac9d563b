import Tensors
import Tokenizers

/// Made-up secrets: a sentence with a number, which could be any of many (Carlini et al. 2019).
struct Canaries {
  /// How often each secret stands in a shadow run's text.
  static let repeats = [1, 4, 16]
  private static let names = ["Anna Berg", "Otto Kern", "Mila Voss"]

  /// All numbers, of which a canary's is one: one after the other, so that most differ from others in
  /// their last digit only, and what is before it is read once (`WindowScorer.logProbabilities`).
  private let numbers: Range<Int>
  /// For each of `repeats`, the place of its number.
  private let chosen: [Int]

  /// - Parameters:
  ///   - candidates: numbers that the secret could be, less than 900,000.
  ///   - seed: draws them.
  init(candidates: Int, seed: UInt64) {
    var random = RandomSource(seed: seed, stream: 0xCA)
    let first = 100_000 + random.integer(below: 900_000 - candidates)
    numbers = first..<first + candidates
    chosen = Self.repeats.map { _ in random.integer(below: candidates) }
  }

  private static func sentence(_ canary: Int, _ number: Int) -> String {
    "The secret number of \(names[canary % names.count]) is \(number)."
  }

  /// The documents to train on, each as often as it is to stand there.
  var documents: [String] {
    Self.repeats.enumerated().flatMap { canary, count in
      Array(repeating: Self.sentence(canary, numbers.lowerBound + chosen[canary]), count: count)
    }
  }

  /// A canary's candidates as sentences; `secret` is the place of the trained one.
  func candidates(_ canary: Int) -> (sentences: [String], secret: Int) {
    (numbers.map { Self.sentence(canary, $0) }, chosen[canary])
  }

  /// The place of the secret among all candidates by what a model says of them, from 1; with equal
  /// ones it is the last.
  static func rank(of secret: Int, logProbabilities: [Double]) -> Int {
    let own = logProbabilities[secret]
    return logProbabilities.count { !($0 < own) }
  }
}
