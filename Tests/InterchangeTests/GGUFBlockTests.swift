import Storage
import Tensors
import TestSupport
import Testing

@testable import Interchange

/// Element types of GGUF files against the values that the Python package `gguf` gives
/// (`Tests/Golden/gguf/make_blocks.py`).
@Suite struct GGUFBlockTests {
  private static let path = SharedData.packageRoot + "/Tests/Golden/gguf/blocks.gguf"

  /// Every type but F32, whose tensors hold the expected values.
  @Test(arguments: GGUFElementType.all.dropFirst().map { $0.name })
  func valuesAreExact(_ name: String) throws {
    let file = try GGUFFile(MappedFile(path: Self.path))
    let tensor = try #require(file.tensors[name])
    #expect(tensor.type.name == name && tensor.shape == [3, 256])
    let expected = try values(file, name + ".f32")
    let found = try values(file, name)
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(Set(expected).count > 10)
  }

  /// The rows of a tensor, two at a time.
  private func values(_ file: GGUFFile, _ name: String) throws -> [Float] {
    let rows = GGUFRows(file: file.file, tensor: try #require(file.tensors[name]))
    var values = [Float](repeating: .nan, count: 3 * 256)
    values.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      rows.read(0..<2, into: start)
      rows.read(2..<3, into: start + 512)
    }
    return values
  }

  @Test(arguments: [ForeignElementType.f16, .bf16, .q8, .q4])
  func roundingIsThatOfOthers(_ type: ForeignElementType) throws {
    let file = try GGUFFile(MappedFile(path: Self.path))
    let values = try values(file, "values")
    let tensor = try #require(file.tensors["rounded to \(type.rawValue.uppercased())"])
    var bytes = [UInt8](repeating: 0, count: GGUFEncoder.byteCount(values.count, type))
    bytes.withUnsafeMutableBytes { target in
      guard let start = target.baseAddress else { return }
      GGUFEncoder.encode(values, count: values.count, as: type, into: start)
    }
    #expect(bytes.elementsEqual(file.file.bytes[tensor.range]))
  }

  @Test func metadataOfEveryType() throws {
    let metadata = try GGUFFile(MappedFile(path: Self.path)).metadata
    let members = try metadata.members(under: "value.")
    #expect(
      JSONValue.object(members) == [
        "bool": true, "float32": .number(Double(Float(0.1))), "float64": 0.1,
        "floats": [0.5, -0.25], "int16": -32768, "int32": -2_147_483_648, "int64": .int(.min),
        "int8": -128, "integers": [1, -2, 3], "string": "größer 🙂", "uint16": 65535,
        "uint32": 4_294_967_295, "uint64": .number(0x1p64), "uint8": 255,
      ])
    #expect(try metadata.texts("value.strings") == ["a", "", "größer"])
    #expect(try metadata.integers("value.integers") == [1, -2, 3])
    #expect(try metadata.singles("value.floats") == [0.5, -0.25])
    #expect(throws: (any Error).self) { try metadata.texts("value.nested") }
  }

  @Test func halvesAreExact() {
    for bits in UInt16.min...UInt16.max {
      let expected = Float(Float16(bitPattern: bits))
      let found = float(halfBits: bits)
      #expect(found == expected || (found.isNaN && expected.isNaN))
      if found != expected && !(found.isNaN && expected.isNaN) { break }
    }
  }
}
