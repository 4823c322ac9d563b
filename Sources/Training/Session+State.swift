import Programs

extension Session {
  /// Buffers that persist from step to step: trained parameters and optimizer state.
  package var stateBuffers: [StateBuffer] {
    training.program.buffers.enumerated().compactMap { index, buffer in
      guard buffer.isPersistent, buffer.kind == .parameter || buffer.kind == .optimizer else {
        return nil
      }
      return stateBuffer(index)
    }
  }

  /// The memory of one of the step's buffers.
  func stateBuffer(_ index: Int) -> StateBuffer {
    let buffer = training.program.buffers[index]
    let elements: StateBuffer.Elements =
      switch buffer.elements {
      case .bf16: .bf16(training.elements(of: index, as: UInt16.self))
      case .momentCodes: .bytes(training.elements(of: index, as: UInt8.self))
      case .f32: .f32(training.elements(of: index, as: Float.self))
      case .int8, .int32: preconditionFailure("\(buffer.name) is no state of a step")
      }
    return StateBuffer(name: buffer.name, elements: elements)
  }
}
