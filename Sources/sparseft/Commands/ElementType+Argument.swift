import ArgumentParser
import Tensors

extension ElementType: ExpressibleByArgument {
  /// The element types that weights can be stored in.
  public static var allValueStrings: [String] { ["f32", "bf16", "int8"] }

  public init?(argument: String) {
    guard Self.allValueStrings.contains(argument) else { return nil }
    self.init(rawValue: argument)
  }
}
