import SystemCrypto

/// Incremental SHA-256 (FIPS 180-4). Its state is its own: libcrypto is not asked for memory, which it
/// could be refused.
public final class ContentHash {
  private var state = SHA256_CTX()

  /// Bytes of a digest.
  public static let digestLength = 32

  public init() { SHA256_Init(&state) }

  /// Adds bytes.
  public func update(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    SHA256_Update(&state, bytes.baseAddress, bytes.count)
  }

  /// Adds bytes.
  public func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The digest of all bytes added: 32 bytes. Nothing may be added afterwards.
  public func finish() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Self.digestLength)
    SHA256_Final(&digest, &state)
    return digest
  }

  /// The digest of a JSON value, its keys sorted, in hexadecimal: the key of what depends on it.
  public static func hexadecimal(of facts: JSONValue) -> String {
    hexadecimal(digest(Array(facts.encoded(sorted: true).utf8)))
  }

  /// The digest of a single byte array.
  public static func digest(_ bytes: [UInt8]) -> [UInt8] {
    let hash = ContentHash()
    hash.update(bytes)
    return hash.finish()
  }

  /// Whether a text is a digest as `hexadecimal` writes it.
  public static func isHexadecimal(_ text: String) -> Bool {
    text.utf8.count == 2 * digestLength
      && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  }

  /// Bytes as lower-case hexadecimal, two digits each.
  public static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
