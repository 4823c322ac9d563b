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
      case .int8: .int8(training.elements(of: index, as: Int8.self))
      case .int32: preconditionFailure("\(buffer.name) is no state of a step")
      }
    return StateBuffer(name: buffer.name, elements: elements)
  }

  /// Every trained parameter, in the order of the program's buffers.
  package var trainedTensors: [TrainedTensor] {
    let buffers = training.program.buffers
    let places = Dictionary(
      buffers.enumerated().map { ($0.element.name, $0.offset) },
      uniquingKeysWith: { first, _ in first }
    )
    let trained = buffers.indices.filter { buffers[$0].kind == .parameter }
    let scales = Set(
      trained.filter { buffers[$0].elements == .int8 }.map { buffers[$0].scalesName })
    return trained.filter { !scales.contains(buffers[$0].name) }.map { index in
      let place = buffers[index].elements == .int8 ? places[buffers[index].scalesName] : nil
      return TrainedTensor(
        elements: stateBuffer(index),
        scales: place.map { training.elements(of: $0, as: Float.self) })
    }
  }
}
