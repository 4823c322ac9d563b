import Dispatch
import Testing

@testable import sparseft

#if canImport(Glibc)
  import Glibc
#endif

/// What a child process writes is read from both of its pipes as they fill.
@Suite struct LineStreamTests {
  @Test func aFullPipeStopsNobody() throws {
    var (output, error) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
    try #require(pipe(&output) == 0 && pipe(&error) == 0)
    let (outputEnd, errorEnd) = (output[1], error[1])
    // Eight times what a pipe holds goes to the second before the first gets anything.
    DispatchQueue(label: "writer").async {
      let line = Array("\(String(repeating: "x", count: 1022))y\n".utf8)
      for _ in 0..<512 { _ = write(errorEnd, line, line.count) }
      _ = write(errorEnd, "rest", 4)
      _ = write(outputEnd, "one\ntwo\n", 8)
      close(errorEnd)
      close(outputEnd)
    }
    var streams = [LineStream(output[0]), LineStream(error[0])]
    var lines: [[String]] = [[], []]
    while let (stream, arrived) = LineStream.next(of: &streams) { lines[stream] += arrived }
    #expect(lines[0] == ["one", "two"])
    #expect(lines[1].count == 513 && lines[1].last == "rest")
    #expect(lines[1].dropLast().allSatisfy { $0.utf8.count == 1023 })
    for end in [output[0], error[0]] { close(end) }
  }
}
