import Checkpoints
import Models
import Storage
import Tensors

/// The position of each parameter's elements in a llama2.c file.
struct Llama2cLayout {
  /// Byte offset of a parameter's elements and, if it is quantised, of its scales.
  struct Place {
    let offset: Int
    let groups: Groups?
  }

  /// Scales of a quantised tensor: element i, counted over the whole tensor, has scale i / size.
  struct Groups {
    let offset: Int
    let size: Int
  }

  private(set) var places: [String: Place] = [:]

  /// Lays out all tensors and checks that they fill the file exactly.
  init(_ header: Llama2cHeader, _ file: MappedFile) throws(CheckpointError) {
    let configuration = header.configuration
    let shapes = Dictionary(
      uniqueKeysWithValues: configuration.parameters.map { ($0.name, $0.shape) })
    var end = header.length
    for item in Self.order(header) {
      guard let name = item.name, let shape = shapes[name] else {
        end += 4 * item.skippedFloats
        continue
      }
      guard header.version == 2, shape.rank == 2 else {
        places[name] = Place(offset: end, groups: nil)
        end += 4 * shape.count
        continue
      }
      let size = header.groupSize
      guard size > 0, shape.count % size == 0 else {
        throw .damaged(
          path: file.path, field: "group size", found: "\(size)",
          expected: "a divisor of the \(shape.count) elements of \(name)")
      }
      let scales = end + shape.count
      places[name] = Place(offset: end, groups: Groups(offset: scales, size: size))
      end = scales + 4 * (shape.count / size)
    }
    guard end == file.bytes.count else {
      throw .damaged(
        path: file.path, field: "file length", found: "\(file.bytes.count) bytes",
        expected: "\(end), which follow from the header (\(configuration.layers) layers, "
          + "width \(configuration.width), vocabulary \(configuration.vocabularySize))")
    }
  }

  private struct Item {
    var name: String?
    var skippedFloats = 0

    init(_ path: ParameterPath) { name = path.description }

    init(skippedFloats: Int) { self.skippedFloats = skippedFloats }
  }

  /// All tensors in file order. The same tensor of all layers is contiguous.
  private static func order(_ header: Llama2cHeader) -> [Item] {
    let configuration = header.configuration
    func all(_ roles: [ParameterRole]) -> [Item] {
      roles.flatMap { role in
        (0..<configuration.layers).map { Item(ParameterPath(layer: $0, role)) }
      }
    }
    let (attention, mlp) = (Llama.Llama2cOrder.attention, Llama.Llama2cOrder.mlp)
    let head = configuration.tiedHead ? [] : [Item(ParameterPath(.head))]
    let embedding = [Item(ParameterPath(.embedding))]
    let norm = [Item(ParameterPath(.norm))]
    guard header.version == 0 else {
      return all(Llama.Llama2cOrder.norms) + norm + embedding + all(attention + mlp) + head
    }
    // Cosines and sines that older versions of run.c read from the file.
    let rotary = Item(skippedFloats: configuration.contextLength * configuration.headWidth)
    return embedding + all([.attentionNorm] + attention + [.mlpNorm] + mlp) + norm + [rotary]
      + head
  }
}

/// Reads rows of one tensor of a llama2.c file, query and key rows brought to the halves layout.
struct Llama2cRows {
  let file: MappedFile
  let place: Llama2cLayout.Place
  let shape: Shape
  /// Head width of a tensor whose rows are interleaved, or nil where rows keep their order.
  let interleavedHeadWidth: Int?

  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    let width = shape.rank == 2 ? shape[1] : 1
    for row in range {
      let source =
        interleavedHeadWidth.map { RotaryLayout.interleavedRow(ofHalves: row, headWidth: $0) }
        ?? row
      let out = target + (row - range.lowerBound) * width
      for column in 0..<width { out[column] = element(source * width + column) }
    }
    if range.upperBound == shape[0] { release() }
  }

  private func element(_ index: Int) -> Float {
    guard let groups = place.groups else { return float(at: place.offset + 4 * index) }
    let quantised = file.bytes.loadUnaligned(fromByteOffset: place.offset + index, as: Int8.self)
    return float(at: groups.offset + 4 * (index / groups.size)) * Float(quantised)
  }

  private func float(at offset: Int) -> Float {
    let bits = file.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    return Float(bitPattern: UInt32(littleEndian: bits))
  }

  private func release() {
    guard let groups = place.groups else {
      return file.releasePages(place.offset..<(place.offset + 4 * shape.count))
    }
    file.releasePages(place.offset..<(groups.offset + 4 * (shape.count / groups.size)))
  }
}
