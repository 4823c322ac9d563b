import Programs
import Tensors

/// How a matrix that is trained in int8 takes a step along d with the learning rate η, each row in
/// units of its scale s:
///
///     q ← clip(⌊q − η·(decay·q + d / s) + u⌋, −127, 127)        u random in [0, 1)
///
/// Dividing by s is what keeps the learning rate of f32 right: it turns the gradient by the weight,
/// which d is made of, into a step of whole numbers (quantisation-aware scaling, Lin et al. 2022;
/// there the gradient by q is multiplied by s⁻²). A row of which more than one in 1,000 numbers
/// would be clipped gets a new scale in the same step.
public struct IntegerStep: Hashable, Sendable {
  /// How a step is rounded to whole numbers. All but `stochastic` are controls.
  public enum Rounding: String, Hashable, Sendable, CaseIterable {
    /// Up with the probability that makes the mean exact (Gupta et al. 2015).
    case stochastic
    /// Steps of less than half of the scale are lost.
    case nearest
    /// Towards zero, as a conversion in C does.
    case truncate

    /// The kernel's number for it.
    fileprivate var code: Int {
      switch self {
      case .stochastic: 0
      case .nearest: 1
      case .truncate: 2
      }
    }
  }

  public var rounding: Rounding
  /// Whether steps are scaled as above. Otherwise d is multiplied by s: a step along the gradient
  /// by q, as if q were the weight. A control.
  public var compensatesScale: Bool
  /// Whether what rounding and clipping leave undone goes into the momentum m, from which later steps
  /// make up for it: m ← m + e·(1 − 1/β)/η (ECO, 2026), e being the step that was asked for less the one
  /// that was taken. Momentum β has to be above 0.
  public var carriesError: Bool

  public init(
    rounding: Rounding = .stochastic, compensatesScale: Bool = true, carriesError: Bool = false
  ) {
    self.rounding = rounding
    self.compensatesScale = compensatesScale
    self.carriesError = carriesError
  }
}

extension Lowering {
  /// Emits the step of a matrix's rows along what is in the gradient's place.
  ///
  /// - Parameters:
  ///   - elements: whole rows.
  ///   - clips: whether the gradient's place holds the gradient itself, which is to be clipped.
  ///   - momentum: β and the elements' momentum in bf16, which takes up the error of the step if that is
  ///     wanted.
  mutating func emit(
    _ step: IntegerStep, _ elements: Range<Int>, of place: UpdatePlace, weightDecay: Float,
    clips: Bool, momentum: (factor: Float, place: BufferView)? = nil
  ) {
    let carrier = step.carriesError ? momentum : nil
    let rows = place.rows(elements)
    emit(
      "step_int8",
      [
        place.parameter.advanced(by: elements.lowerBound, of: .int8),
        place.parameterScales?.advanced(by: rows.lowerBound), place.gradient, place.hyper,
        carrier?.place,
      ],
      // Distinct per parameter and per part, so that no two are rounded with the same random bits.
      sizes: [
        node.id + elements.lowerBound, place.columns, step.rounding.code,
        step.compensatesScale ? 1 : 0, clips ? 1 : 0,
      ],
      scalars: [weightDecay, carrier.map { 1 - 1 / $0.factor } ?? 0], items: rows.count,
      grain: Grain.rows(of: place.columns))
  }
}

extension UpdatePlace {
  /// The rows that elements are; a matrix in int8 is only updated by whole ones.
  func rows(_ elements: Range<Int>) -> Range<Int> {
    precondition(
      elements.lowerBound % columns == 0 && elements.upperBound % columns == 0,
      "elements \(elements) are no rows of \(columns)")
    return elements.lowerBound / columns..<elements.upperBound / columns
  }
}

extension Grain {
  /// Rows of elementwise work.
  static func rows(of columns: Int) -> Int { max(1, elements / max(1, columns)) }
}
