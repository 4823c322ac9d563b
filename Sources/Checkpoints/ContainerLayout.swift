import Storage
import Tensors

/// Sizes and places that reader and writer of a tensor file share; `docs/format.md` has them all.
enum ContainerLayout {
  /// magic 8, version 4, reserved 4, header length 8, file length 8, SHA-256 32.
  static let preambleLength = 64
  /// Every section starts at a multiple of this, a cache line and an AVX-512 register.
  static let alignment = 64
  /// More than the header of any model needs; keeps a damaged length from costing memory.
  static let headerLimit = 1 << 26

  /// The next multiple of `alignment`. `offset` is at most a file's length, so nothing overflows.
  static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

  /// Where the first section starts, from the start of the file.
  static func dataStart(headerLength: Int) -> Int { aligned(preambleLength + headerLength) }

  static func preamble(
    _ kind: TensorFileKind, headerLength: Int, fileLength: Int, digest: [UInt8]
  ) -> [UInt8] {
    var bytes = kind.magic
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes += Array($0) }
    }
    append(kind.versions.upperBound)
    append(UInt32(0))
    append(UInt64(headerLength))
    append(UInt64(fileLength))
    return bytes + digest
  }
}

/// A run of bytes in the data area: a blob, a tensor's elements or its row scales. Offsets count
/// from the start of the data area.
struct ContainerSection {
  let name: String
  let offset: Int
  let length: Int
}
