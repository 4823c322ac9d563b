import FuzzTargets

#if canImport(Glibc)
  import Glibc
#endif

// Runs libFuzzer on the reader that FUZZ_READER names.

nonisolated(unsafe) private let reader: FuzzedReader = {
  let name = getenv("FUZZ_READER").map { String(cString: $0) } ?? ""
  guard let reader = FuzzedReader(rawValue: name) else {
    let known = FuzzedReader.allCases.map(\.rawValue).joined(separator: ", ")
    print("FUZZ_READER is '\(name)', expected one of \(known)")
    exit(64)
  }
  return reader
}()

nonisolated(unsafe) private let folder: String = {
  var template = Array("/dev/shm/fuzz-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { exit(73) }
  return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
}()

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

// What the package manager takes an executable's main function for.
@_cdecl("fuzz_main")
public func fuzzMain(
  _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
  var (count, arguments) = (count, arguments)
  return runDriver(&count, &arguments) { start, count in
    reader.read(Array(UnsafeBufferPointer(start: start, count: count)), in: folder)
    return 0
  }
}
