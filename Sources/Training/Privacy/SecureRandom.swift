#if canImport(Glibc)
  import Glibc
#endif

/// Numbers from the system's cryptographic generator. There is no seed that could be stored, so no
/// run's noise and choice of windows can be drawn again.
final class SecureRandom {
  private var words = [UInt64](repeating: 0, count: 32)
  private var next: Int
  private var spare: Double?

  init() { next = words.count }

  private func word() -> UInt64 {
    if next == words.count { refill() }
    defer { next += 1 }
    return words[next]
  }

  private func refill() {
    // 256 bytes are the most that the system gives at once. Noise that is none must not be used.
    let status = words.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.map { getentropy($0, buffer.count) }
    }
    precondition(status == 0, "the system gives no random numbers")
    next = 0
  }

  /// In (0, 1), in steps of 2⁻⁵²: with one bit more, 1 itself would come up.
  func uniform() -> Double { (Double(word() >> 12) + 0.5) * 0x1p-52 }

  /// From the standard normal distribution (Box & Muller 1958).
  func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    let (radius, angle) = ((-2 * log(uniform())).squareRoot(), 2 * Double.pi * uniform())
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}
