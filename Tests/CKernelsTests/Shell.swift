import Glibc
import Testing

/// A path as a word of a shell command.
func quoted(_ path: String) -> String { "'\(path)'" }

/// What a shell command says, on both of its outputs, and its exit status as `wait` has it.
func shell(_ command: String) throws -> (status: Int32, output: String) {
  let stream = try #require(popen("exec 2>&1; \(command)", "re"), "no process")
  var output: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = fread(&block, 1, block.count, stream)
    if count == 0 { break }
    output += block[..<count]
  }
  return (pclose(stream), String(decoding: output, as: UTF8.self))
}
