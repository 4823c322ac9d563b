import Records
import Storage
import TestSupport
import Testing

@testable import Reports

#if canImport(Glibc)
  import Glibc
#endif

/// A reader of event files that shares nothing with the writer: checks both checksums bit by bit and
/// reads the messages field by field.
private struct EventFile {
  struct Scalar: Hashable {
    let step: Int
    let tag: String
    let value: Float
  }

  private(set) var version: String?
  private(set) var restarts: [Int] = []
  private(set) var scalars: [Scalar] = []
  private(set) var wallTimes: [Double] = []

  init(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let head = try Self.take(12, &rest)
      let length = Int(Self.number(head.prefix(8)))
      #expect(Self.number(head.suffix(4)) == UInt64(Self.masked(head.prefix(8))))
      let message = try Self.take(length, &rest)
      #expect(Self.number(try Self.take(4, &rest)) == UInt64(Self.masked(message)))
      try read(message)
    }
  }

  private mutating func read(_ message: ArraySlice<UInt8>) throws {
    var step = 0
    for (field, value) in try Self.fields(message) {
      switch (field, value) {
      case (1, .number(let bits)): wallTimes.append(Double(bitPattern: bits))
      case (2, .number(let number)): step = Int(number)
      case (3, .bytes(let text)): version = String(decoding: text, as: UTF8.self)
      case (5, .bytes(let summary)):
        for case (1, .bytes(let part)) in try Self.fields(summary) {
          var (tag, number) = ("", Float.nan)
          for (field, value) in try Self.fields(part) {
            if field == 1, case .bytes(let text) = value {
              tag = String(decoding: text, as: UTF8.self)
            }
            if field == 2, case .number(let bits) = value {
              number = Float(bitPattern: UInt32(bits))
            }
          }
          scalars.append(Scalar(step: step, tag: tag, value: number))
        }
      case (7, .bytes(let log)):
        for case (1, .number(1)) in try Self.fields(log) { restarts.append(step) }
      default: Issue.record("field \(field)")
      }
    }
  }

  private enum Value {
    case number(UInt64)
    case bytes(ArraySlice<UInt8>)
  }

  private struct Broken: Error {}

  private static func fields(_ message: ArraySlice<UInt8>) throws -> [(Int, Value)] {
    var (rest, fields) = (message, [(Int, Value)]())
    while !rest.isEmpty {
      let key = try varint(&rest)
      let value: Value =
        switch key % 8 {
        case 0: .number(try varint(&rest))
        case 1: .number(number(try take(8, &rest)))
        case 2: .bytes(try take(Int(try varint(&rest)), &rest))
        case 5: .number(number(try take(4, &rest)))
        default: throw Broken()
        }
      fields.append((Int(key / 8), value))
    }
    return fields
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
    var (value, shift) = (UInt64(0), UInt64(0))
    while let byte = rest.popFirst() {
      value += UInt64(byte % 128) << shift
      if byte < 128 { return value }
      shift += 7
    }
    throw Broken()
  }

  private static func take(
    _ count: Int, _ rest: inout ArraySlice<UInt8>
  ) throws -> ArraySlice<UInt8> {
    guard rest.count >= count else { throw Broken() }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 * 256 + UInt64($1) }
  }

  /// By long division, a bit at a time.
  private static func masked(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes {
      for bit in 0..<8 {
        let differs = (sum ^ UInt32(byte) >> UInt32(bit)) % 2 == 1
        sum /= 2
        if differs { sum ^= 0x82F6_3B78 }
      }
    }
    sum ^= .max
    return (sum / 32768 + sum % 32768 * 131072) &+ 2_726_488_792
  }
}

@Suite struct TensorBoardTests {
  @Test func checksumsAreCastagnolis() {
    // The check value of CRC-32C, and RFC 3720's of 32 zeros and 32 ones.
    #expect(Checksum.crc32c("123456789".utf8) == 0xE306_9283)
    #expect(Checksum.crc32c([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(Checksum.crc32c([UInt8](repeating: 255, count: 32)) == 0x62A8_AB43)
    #expect(Checksum.crc32c([]) == 0)
  }

  private static func written(
    _ events: [RunEvent], resumedAt: Int? = nil
  ) throws -> (file: EventFile, path: String) {
    let folder = try TemporaryFolder()
    var time = 1000.0
    let writer = try TensorBoardWriter(
      folder: folder.path, resumedAt: resumedAt,
      clock: {
        time += 0.5
        return time
      })
    for event in events { try writer.add(event) }
    return (try EventFile(try TemporaryFolder.read(writer.path)), writer.path)
  }

  @Test func scalarsHaveTheirTags() throws {
    var step = StepReport(step: 300)
    (step.loss, step.learningRate, step.gradientNorm) = (3.25, 1e-3, 2.5)
    (step.tokens, step.seconds, step.residentBytes) = (96, 0.5, 1 << 20)
    let (file, path) = try Self.written([
      .step(step), .warning("no scalar"), .validation(step: 300, loss: 2, best: true),
    ])
    #expect(file.version == "brain.Event:2" && file.restarts == [])
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    #expect(name.hasPrefix("events.out.tfevents.1000."))
    let values = Dictionary(file.scalars.map { ($0.tag, $0.value) }, uniquingKeysWith: { $1 })
    #expect(values["train/loss"] == 3.25 && values["train/learning_rate"] == 1e-3)
    #expect(values["train/grad_norm"] == 2.5 && values["perf/tokens_per_second"] == 192)
    #expect(values["memory/rss"] == 1_048_576 && values["eval/loss"] == 2)
    #expect(values["eval/perplexity"].map { abs($0 - Float(exp(2.0))) < 1e-6 } == true)
    #expect(file.scalars.allSatisfy { $0.step == 300 })
    #expect(file.wallTimes == [1001, 1001.5, 1002])
  }

  /// What is done again after step 7 takes the place of what earlier files say.
  @Test func resumedRunsSayFromWhere() throws {
    let (file, _) = try Self.written([.step(StepReport(step: 8))], resumedAt: 7)
    #expect(file.restarts == [8])
    #expect(Set(file.scalars.map(\.step)) == [8])
  }

  @Test func filesOfOneSecondStayApart() throws {
    let folder = try TemporaryFolder()
    let first = try TensorBoardWriter(folder: folder.path, clock: { 5 })
    let second = try TensorBoardWriter(folder: folder.path, clock: { 5 })
    #expect(first.path != second.path)
    #expect(throws: ReportError.self) { try TensorBoardWriter(folder: folder["none"]) }
  }

  /// Any stream can be written, and comes back as it was, to the bit of a Float.
  @Test func anyStreamComesBack() throws {
    for seed in 0..<20 as Range<UInt64> {
      var streams = EventStreams(seed: seed)
      let events = streams.run(isOrdered: false).filter { ($0.step ?? 0) >= 0 }
      let file = try Self.written(events).file
      let expected = events.flatMap { event in
        TensorBoardWriter.scalars(of: event).map {
          EventFile.Scalar(step: event.step ?? 0, tag: $0.tag, value: Float($0.value))
        }
      }
      #expect(file.scalars.count == expected.count)
      for (found, wanted) in zip(file.scalars, expected) {
        #expect(found.tag == wanted.tag && found.step == wanted.step)
        #expect(found.value.bitPattern == wanted.value.bitPattern)
      }
    }
  }
}
