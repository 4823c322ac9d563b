import Adaptations
import Models
import Training

/// The learning rate of each candidate: C / Σ|g| over what it trains, with a C for each family.
struct CandidateRates {
  private var rules: [RateFamily: LearningRateRule]
  /// Σ|g| of methods other than sparse back-propagation.
  private var sizes: [CandidateMethod: Double] = [:]
  private(set) var calibrations: [RateFamily: RateCalibration] = [:]

  /// - Parameters:
  ///   - scores: scores of every tensor that may train.
  ///   - fixedRate: the recipe's rate; nil for the rule's.
  init(
    _ scores: [String: GradientScore], optimizer: Optimizer, configuration: ModelConfiguration,
    fixedRate: Double?
  ) {
    rules = Dictionary(
      uniqueKeysWithValues: RateFamily.allCases.map { family in
        let rule = LearningRateRule(
          scores, optimizer: optimizer, configuration: configuration, fixedRate: fixedRate,
          family: family)
        return (family, rule)
      })
  }

  func rate(for candidate: Candidate) -> Double {
    self[candidate.rateFamily].rate(forSize: size(of: candidate))
  }

  /// The rate of an update scheme.
  func rate(for scheme: [String: Double]) -> Double { self[.tensors].rate(for: scheme) }

  /// C of a candidate's family.
  func constant(for candidate: Candidate) -> Double { self[candidate.rateFamily].constant }

  func calibration(of candidate: Candidate) -> RateCalibration? {
    calibrations[candidate.rateFamily]
  }

  /// Sets Σ|g| of a method.
  mutating func set(size: Double, of method: CandidateMethod) { sizes[method] = size }

  /// Takes C of a candidate's whole family from the candidate's calibration.
  mutating func adopt(_ calibration: RateCalibration, of candidate: Candidate) {
    let family = candidate.rateFamily
    calibrations[family] = calibration
    var rule = self[family]
    rule.constant = calibration.rate * size(of: candidate)
    rule.bounds = nil
    rules[family] = rule
  }

  private subscript(family: RateFamily) -> LearningRateRule {
    guard let rule = rules[family] else { preconditionFailure("no rule for \(family)") }
    return rule
  }

  private func size(of candidate: Candidate) -> Double {
    candidate.method.map { sizes[$0] ?? 0 } ?? self[.tensors].gradientSize(of: candidate.scheme)
  }
}
