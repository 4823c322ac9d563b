import Tensors
import Training

/// What the name of a session's buffer says: "layers[1].mlp.up[0..<44].momentum" is state of the
/// first 44 rows of layers[1].mlp.up.
struct TensorName {
  /// The parameter as the golden files spell it: a low-rank factor ends in ".a" or ".b".
  let path: String
  let isState: Bool

  init(_ buffer: String) {
    let bracket = buffer.lastIndex(of: "[") ?? buffer.endIndex
    path = String(buffer[..<bracket]).replacing(".lora_a", with: ".a")
      .replacing(".lora_b", with: ".b")
    isState = buffer[bracket...].last != "]"
  }
}

extension Session {
  /// Every trained parameter as it is now, by path; frozen rows are the checkpoint's.
  var parameters: [String: [Float]] {
    var parameters: [String: [Float]] = [:]
    for tensor in trainedTensors {
      let (name, memory) = (tensor.name, tensor.values)
      let path = TensorName(name).path
      var values = checkpoint.origin(of: path)?.widened() ?? []
      let contents = step.training.program.buffers.first { $0.name == name }?.contents
      if case .checkpointRows(_, let ids) = contents {
        let width = memory.count / ids.count
        for (place, id) in ids.enumerated() {
          let first = Int(id) * width
          values.replaceSubrange(
            first..<first + width, with: memory[place * width..<(place + 1) * width])
        }
      } else {
        // Row ranges start at the first row.
        values.replaceSubrange(0..<min(memory.count, values.count), with: memory)
      }
      parameters[path] = values
    }
    return parameters
  }
}
