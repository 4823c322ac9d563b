import Programs

/// A step's gradient as the noisy mean of windows' clipped gradients:
///
///     (Σ_i g_i · min(1, C / ‖g_i‖) + N(0, σ²C²)) / L
///
/// g_i: of window i's loss summed up and divided by the window's length, over all trained parameters;
/// L: how many windows a step takes on average. The windows' gradients are computed one after the
/// other in the step's accumulators, so that besides them only their sum is in memory.
public final class PrivateGradient {
  private let settings: PrivacySettings
  private let accumulators: [UnsafeMutableBufferPointer<Float>]
  private var sum: [[Float]]
  private let random: SecureRandom

  /// - Parameter accumulators: where the step's program adds gradients up, one for each trained
  ///   parameter.
  init(
    _ settings: PrivacySettings, _ accumulators: [UnsafeMutableBufferPointer<Float>],
    random: SecureRandom
  ) {
    self.settings = settings
    self.accumulators = accumulators
    self.random = random
    sum = accumulators.map { [Float](repeating: 0, count: $0.count) }
  }

  /// Bytes that it takes beside the step's.
  public static func bytes(of step: CompiledStep) -> Int {
    MemoryLayout<Float>.size * step.trainableParameters
  }

  /// Starts a step.
  func begin() {
    for index in sum.indices {
      sum[index].withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }
    clear()
  }

  /// Adds the window whose gradient is in the accumulators, and clears them.
  func addWindow() {
    let norm = accumulators.reduce(0.0) { $0 + Self.squaredNorm($1) }.squareRoot()
    // A norm that is no number makes the step's one, which is noticed.
    let factor = norm > settings.clip ? settings.clip / norm : 1
    for (index, gradient) in accumulators.enumerated() {
      sum[index].withUnsafeMutableBufferPointer { Self.add(gradient, times: Float(factor), to: $0) }
    }
    clear()
  }

  /// Leaves the step's gradient in the accumulators.
  ///
  /// - Parameter expected: L.
  func finish(expected: Double) {
    let deviation = settings.noise * settings.clip
    for (index, gradient) in accumulators.enumerated() {
      let values = sum[index]
      for i in values.indices {
        let noise = deviation > 0 ? deviation * random.normal() : 0
        gradient[i] = Float((Double(values[i]) + noise) / expected)
      }
    }
  }

  private func clear() { for gradient in accumulators { gradient.update(repeating: 0) } }

  private static func squaredNorm(_ values: UnsafeMutableBufferPointer<Float>) -> Double {
    var sum = 0.0
    for value in values { sum += Double(value) * Double(value) }
    return sum
  }

  private static func add(
    _ values: UnsafeMutableBufferPointer<Float>, times factor: Float,
    to sum: UnsafeMutableBufferPointer<Float>
  ) {
    for i in 0..<sum.count { sum[i] += factor * values[i] }
  }
}

extension Session {
  /// Where the step adds up the gradients of its micro-batches; empty for a step of one.
  private var gradientAccumulators: [UnsafeMutableBufferPointer<Float>] {
    training.program.buffers.enumerated().compactMap { index, buffer in
      buffer.isPersistent && buffer.kind == .gradient && buffer.elements == .f32
        ? training.elements(of: index, as: Float.self) : nil
    }
  }

  /// A gradient of windows, for a step of several micro-batches of one window each.
  func privateGradient(_ settings: PrivacySettings, random: SecureRandom) -> PrivateGradient {
    let accumulators = gradientAccumulators
    // A parameter without one would be trained on a gradient that is not private.
    precondition(
      step.shape.windows == 1 && accumulators.count == trainedTensors.count,
      "\(accumulators.count) accumulators in steps of \(step.shape)")
    return PrivateGradient(settings, accumulators, random: random)
  }
}
