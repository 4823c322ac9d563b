/// Calls are encoded as kernels receive them: a name, sizes and scalars. A reader needs nothing
/// else to run them.
extension KernelCall: Codable {
  private enum CodingKeys: String, CodingKey {
    case kernel, sizes, scalars, multiplies, buffers, items, grain, slices, scratchBytes, flops
    case phase, part
  }

  public func encode(to encoder: any Encoder) throws {
    let kernel = encoded
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kernel.name, forKey: .kernel)
    try container.encode(kernel.sizes, forKey: .sizes)
    try container.encode(kernel.scalars, forKey: .scalars)
    try container.encode(kernel.multiplies, forKey: .multiplies)
    try container.encode(buffers, forKey: .buffers)
    try container.encode(items, forKey: .items)
    try container.encode(grain, forKey: .grain)
    try container.encode(slices, forKey: .slices)
    try container.encode(scratchBytes, forKey: .scratchBytes)
    try container.encode(flops, forKey: .flops)
    try container.encode(phase, forKey: .phase)
    try container.encode(part, forKey: .part)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let kernel = NamedKernel(
      try container.decode(String.self, forKey: .kernel),
      sizes: try container.decode([Int].self, forKey: .sizes),
      scalars: try container.decode([Float].self, forKey: .scalars),
      multiplies: try container.decode(MatmulOperand.self, forKey: .multiplies))
    if ProductKernel(named: kernel.name) == nil {
      work = .kernel(kernel)
    } else if let product = MatrixProduct(kernel) {
      work = .matrixProduct(product)
    } else {
      throw DecodingError.dataCorruptedError(
        forKey: .sizes, in: container, debugDescription: "\(kernel.name) of \(kernel.sizes)")
    }
    buffers = try container.decode([BufferView?].self, forKey: .buffers)
    items = try container.decode(Int.self, forKey: .items)
    grain = try container.decode(Int.self, forKey: .grain)
    slices = try container.decode(Int.self, forKey: .slices)
    scratchBytes = try container.decode(Int.self, forKey: .scratchBytes)
    flops = try container.decode(Int.self, forKey: .flops)
    phase = try container.decode(Phase.self, forKey: .phase)
    part = try container.decode(StepPart.self, forKey: .part)
  }
}
