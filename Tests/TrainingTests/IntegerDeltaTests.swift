import Adaptations
import Checkpoints
import Compilation
import Tensors
import TestSupport
import Testing

@testable import Training

/// Deltas of matrices that were trained in int8.
@Suite struct IntegerDeltaTests {
  private let settings = TrainingFixture.settings(
    steps: 5, optimizer: .adamW(AdamW(parameterType: .int8)), saveEvery: 5)

  /// A delta of a run, and the run.
  private func delta(
    _ fixture: TrainingFixture, _ method: TestMethod
  ) throws -> (delta: Delta, session: Session) {
    let store = try fixture.store("run")
    let record = try fixture.train(fixture.adaptation(method), settings, store: store)
    return (try Delta.open(store.deltaPath(.last)), record.session)
  }

  private func applied(
    _ fixture: TrainingFixture, _ delta: Delta, scale: Double = 1, as type: ElementType? = nil
  ) throws -> Checkpoint {
    try Delta.apply(
      to: fixture.checkpoint, deltas: [(delta, scale)], elementType: type,
      output: fixture.folder["merged"])
    return try Checkpoint.open(fixture.folder["merged"])
  }

  /// Base and delta give the bits that were trained, whatever the base is made of, and integers
  /// where integers are asked for.
  @Test(arguments: [ElementType.f32, .bf16, .int8], [TestMethod.full, .rows, .lora, .headRows])
  func baseAndDeltaAreWhatWasTrained(_ type: ElementType, _ method: TestMethod) throws {
    let fixture = try TrainingFixture(elementType: type)
    let (delta, session) = try delta(fixture, method)
    let isFactors = method == .lora
    let integers = delta.entries.filter { $0.encoding == .integers }
    #expect(integers.isEmpty == isFactors)
    #expect(integers.allSatisfy { $0.elementType == .int8 })
    guard !isFactors else {
      // Factors are f32 values of their integers.
      let factors = Set(delta.entries.flatMap { $0.tensors.map { $0.widened() } })
      let areSame = session.trainedTensors.allSatisfy { factors.contains($0.values) }
      #expect(areSame)
      return
    }
    let own = try applied(fixture, delta)
    let wide = try applied(fixture, delta, as: .f32)
    for (name, values) in session.parameters {
      #expect(wide.tensor(name)?.widened() == values, "\(name)")
      #expect(own.tensor(name)?.widened() == values, "\(name)")
    }
    let narrow = try applied(fixture, delta, as: .int8)
    for entry in integers {
      let (stored, merged) = (entry.tensors[0], try #require(narrow.tensor(entry.name)))
      #expect(merged.elementType == .int8)
      let bytes = entry.rows.lowerBound * merged.rowWidth..<entry.rows.upperBound * merged.rowWidth
      #expect(stored.data.elementsEqual(merged.data[bytes]))
      #expect(try #require(stored.scales).elementsEqual(try #require(merged.scales)[entry.rows]))
    }
    #expect(
      try DeltaMerge(base: fixture.checkpoint, deltas: [(delta, 1)]).survival(as: .int8)
        .map { method == .headRows || abs($0.share - 1) < 1e-9 } ?? true)
    // Scaled, they are sums of integers of different scales, which have new ones.
    let half = try applied(fixture, delta, scale: 0.5, as: .int8)
    let first = try #require(integers.first)
    let halved = try #require(half.tensor(first.name)).widened()
    let values = try #require(narrow.tensor(first.name)).widened()
    #expect(halved != values)
    let base = try #require(fixture.checkpoint.origin(of: first.name)).widened()
    let largest = values.map(\.magnitude).max() ?? 0
    for (found, ends) in zip(halved, zip(values, base)) {
      #expect(abs(found - (ends.0 + ends.1) / 2) < 0.02 * largest)
    }
  }

  /// Rows of an int8 base that nothing changed keep their bytes beside those that a delta holds.
  @Test func unchangedRowsKeepTheirIntegers() throws {
    let fixture = try TrainingFixture(elementType: .int8)
    let (delta, _) = try delta(fixture, .rows)
    let merged = try applied(fixture, delta)
    for tensor in fixture.checkpoint.tensors where tensor.elementType == .int8 {
      let found = try #require(merged.tensor(tensor.name))
      let rows = Set(delta.entries.filter { $0.name == tensor.name }.flatMap(\.rows))
      #expect(found.elementType == .int8)
      for row in 0..<tensor.rowCount where !rows.contains(row) {
        let bytes = row * tensor.rowWidth..<(row + 1) * tensor.rowWidth
        #expect(found.data[bytes].elementsEqual(tensor.data[bytes]))
        #expect(found.scales?[row] == tensor.scales?[row])
      }
    }
    #expect(delta.entries.contains { $0.encoding == .integers })
  }

  /// Written again without a type, integers stay; in f32 their values do, in others their
  /// difference.
  @Test func integersAreConverted() throws {
    let fixture = try TrainingFixture()
    let (delta, session) = try delta(fixture, .rows)
    func converted(_ type: ElementType?) throws -> Delta {
      try DeltaWriter.convert(
        delta, base: fixture.checkpoint, elementType: type, to: fixture.folder["again"])
      return try Delta.open(fixture.folder["again"])
    }
    let same = try converted(nil)
    for (new, old) in zip(same.entries, delta.entries) {
      #expect(new.encoding == old.encoding && new.rows == old.rows)
      #expect(new.tensors[0].data.elementsEqual(old.tensors[0].data))
    }
    let wide = try converted(.f32)
    #expect(wide.entries.allSatisfy { $0.encoding == .values })
    let merged = try applied(fixture, wide)
    for (name, values) in session.parameters {
      #expect(merged.tensor(name)?.widened() == values, "\(name)")
    }
    let narrow = try converted(.bf16)
    #expect(narrow.entries.contains { $0.encoding == .difference })
    #expect(!narrow.entries.contains { $0.encoding == .integers })
    #expect(same.identity == delta.identity && narrow.identity == delta.identity)
  }

  /// The base with the delta scores as the run's own integers do.
  @Test func aDeltaScoresAsTheRunDid() throws {
    let fixture = try TrainingFixture()
    let text = TrainingFixture.text(windows: 16)
    let (delta, session) = try delta(fixture, .full)
    let own = Evaluator(session, text: text).meanLoss()
    let found = try fixture.loss(of: text, deltas: [delta])
    let base = try fixture.loss(of: text)
    #expect(abs(found - own) < 1e-5 && own < base - 0.05, "\(found) \(own) \(base)")
  }
}
