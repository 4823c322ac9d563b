import Graphs
import Programs
import Tensors

/// Slots of the f32 [8] input "hyper" that update operations read and clipping writes.
public enum HyperSlot {
  public static let learningRate = 0
  /// 1 − β₁ᵗ and 1 − β₂ᵗ: AdamW's bias corrections at step t.
  public static let firstCorrection = 1
  public static let secondCorrection = 2
  public static let clipScale = 3
  public static let gradientNorm = 4
  /// The step number, which seeds stochastic rounding.
  public static let step = 6
  public static let count = 8
}
