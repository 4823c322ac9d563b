import SystemCrypto

/// Incremental SHA-256 (FIPS 180-4).
public final class ContentHash {
  private let context: OpaquePointer

  /// Bytes of a digest.
  public static let digestLength = 32

  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto offers no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Adds bytes.
  public func update(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    let done = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(done == 1, "libcrypto failed to hash")
  }

  /// Adds bytes.
  public func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The digest of all bytes added: 32 bytes. Nothing may be added afterwards.
  public func finish() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Self.digestLength)
    var length: UInt32 = 0
    let done = EVP_DigestFinal_ex(context, &digest, &length)
    precondition(done == 1 && Int(length) == Self.digestLength, "libcrypto failed to hash")
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
