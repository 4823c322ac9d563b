import Graphs
import Models
import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Frequencies of the rotary table against values computed by hand.
@Suite struct RotaryTableTests {
  /// The table's angle at position 1 is the frequency itself.
  private func frequencies(
    base: Double, _ scaling: RotaryScaling
  ) throws -> (angles: [Double], cosine: [Float], sine: [Float]) {
    var configuration = tinyConfiguration(layers: 1)
    configuration.rotaryBase = base
    configuration.rotaryScaling = scaling
    let graph = Llama(configuration).traceLoss(batch: 1, tokens: 5) { _ in .f32 }
    var tables: [String: [Float]] = [:]
    for value in graph.values {
      guard case .constant(let name, .values(let numbers)) = value.source else { continue }
      #expect(value.type == TensorType([5, 4]))
      tables[name] = numbers
    }
    let cosine = try #require(tables["rotary_cosine"])
    let sine = try #require(tables["rotary_sine"])
    return ((4..<8).map { atan2(Double(sine[$0]), Double(cosine[$0])) }, cosine, sine)
  }

  private func expectEqual(_ found: [Double], _ expected: [Double]) {
    #expect(found.count == expected.count)
    for (a, b) in zip(found, expected) {
      // f32 tables: observed at most 3e-8 of the value.
      #expect(abs(a - b) <= 1.2e-7 * b, "\(a), expected \(b)")
    }
  }

  @Test func plainFrequenciesArePowersOfTheBase() throws {
    let table = try frequencies(base: 10_000, .none)
    expectEqual(table.angles, [1, 0.1, 0.01, 0.001])
    #expect(table.cosine[0..<4] == [1, 1, 1, 1])
    #expect(table.sine[0..<4] == [0, 0, 0, 0])
    // Position 3, second pair: 0.3 radians.
    #expect(abs(table.cosine[13] - 0.955336489) < 1e-7)
    #expect(abs(table.sine[13] - 0.295520207) < 1e-7)
  }

  @Test func linearScalingDividesEveryFrequency() throws {
    let table = try frequencies(base: 10_000, .linear(factor: 4))
    expectEqual(table.angles, [0.25, 0.025, 0.0025, 0.00025])
  }

  /// Llama 3.1's numbers. Wavelengths are 6.28, 167, 4443 and 118,143 tokens; 8192 of them hold
  /// 1304, 49, 1.84 and 0.07 turns: kept, kept, on the ramp at (1.84 − 1)/3, divided by 8.
  @Test func llama3ScalingKeepsRampsAndDivides() throws {
    let table = try frequencies(
      base: 500_000,
      .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192))
    expectEqual(table.angles, [1, 0.037606030931, 0.000524846161, 6.6478698712e-06])
  }
}
