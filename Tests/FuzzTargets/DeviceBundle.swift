import CRuntime
import Storage

/// A compiled step as a file, which the executor in C opens on devices.
enum DeviceBundle {
  private static let preambleBytes = 64

  /// Opens a bundle whose bytes behind the preamble are the input, with the lengths and the hash that
  /// they ask for. It is opened or refused with a reason; what is opened says what it needs.
  static func read(_ body: [UInt8]) {
    var file = Array("SFBNDL\r\n".utf8) + [2, 0, 0, 0, 0, 0, 0, 0]
    for number in [body.count, preambleBytes + body.count] {
      withUnsafeBytes(of: Int64(number).littleEndian) { file += Array($0) }
    }
    file += ContentHash.digest(body) + body
    // Of its exact size, so that a sanitizer sees what is read behind it.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: file.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: file)
    guard let start = memory.baseAddress else { return }
    var bundle: OpaquePointer?
    var error = sft_error()
    guard sft_bundle_open(start, Int64(file.count), &bundle, &error) == SFT_OK, let bundle else {
      precondition(withUnsafeBytes(of: error.text) { $0.contains { $0 != 0 } }, "no reason")
      return
    }
    defer { sft_bundle_close(bundle) }
    precondition(sft_bundle_arena_bytes(bundle, 2) >= 0)
    precondition(sft_bundle_vocabulary(bundle) >= 0)
    for index in 0..<sft_bundle_change_count(bundle) {
      precondition(sft_bundle_change(bundle, index).pointee.parameter_count <= 3)
    }
  }
}
