import Storage
import Tensors

/// Sizes and offsets shared by the reader and writer of tensor files; `docs/format.md` lists all.
enum ContainerLayout {
  /// magic 8, version 4, reserved 4, header length 8, file length 8, SHA-256 32.
  static let preambleLength = 64
  /// Every section starts at a multiple of this: the size of a cache line and an AVX-512 register.
  static let alignment = 64
  /// Maximum header bytes, above any model's; bounds the memory that a damaged length can claim.
  static let headerLimit = 1 << 26

  /// The next multiple of `alignment`. `offset` is at most a file's length, so nothing overflows.
  static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

  /// Offset of the first section from the start of the file.
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
