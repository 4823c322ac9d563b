import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct TrainingStateTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TrainingState.write(
      to: folder["x"], values: ["step": 12, "random": ["1", "2"]],
      tensors: [
        ("a.first_moment", [3, 5], .values((0..<15).map(Float.init))),
        (
          "a.second_moment", [2, 2, 2, 2],
          .rows { (range, target) throws(CheckpointError) in
            for i in 0..<(range.count * 8) { target[i] = Float(range.lowerBound * 8 + i) }
          }
        ), ("b", [1], .values([.nan])),
      ])
  }

  @Test func keepsEverything() throws {
    let state = try TrainingState.open(folder["x"])
    #expect(state.values == ["step": 12, "random": ["1", "2"]])
    #expect(state.tensors.map(\.name) == ["a.first_moment", "a.second_moment", "b"])
    #expect(state.tensor("a.first_moment")?.widened() == (0..<15).map(Float.init))
    #expect(state.tensor("a.second_moment")?.shape == [2, 2, 2, 2])
    #expect(state.tensor("a.second_moment")?.widened() == (0..<16).map(Float.init))
    #expect(state.tensor("b")?.widened()[0].isNaN == true)
    #expect(state.tensor("c") == nil)
  }

  @Test func keepsNoTensors() throws {
    try TrainingState.write(to: folder["y"], values: [:], tensors: [])
    #expect(try TrainingState.open(folder["y"]).tensors.isEmpty)
  }

  @Test func refusesDamage() throws {
    let bytes = try folder.read("x")
    var random = RandomSource(seed: 1)
    for _ in 0..<300 {
      var damaged = bytes
      damaged[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
      let flip = try folder.write(damaged, to: "damaged")
      expectBadData("a flip") { _ = try TrainingState.open(flip) }
    }
    for length in 0..<bytes.count {
      let cut = try folder.write(Array(bytes[..<length]), to: "damaged")
      expectBadData("\(length) bytes") { _ = try TrainingState.open(cut) }
    }
    expectBadData("another kind") { _ = try Checkpoint.open(folder["x"]) }
    expectBadData("another kind") { _ = try Delta.open(folder["x"]) }
  }
}
