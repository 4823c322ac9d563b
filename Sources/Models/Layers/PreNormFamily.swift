/// A family whose blocks are all pre-norm blocks (`PreNormBlock`). What distinguishes such families
/// stands in their configurations and in the tensors that their files keep.
public protocol PreNormFamily: ModelFamily {
  var configuration: ModelConfiguration { get }
}

extension PreNormFamily {
  public var decoder: Decoder {
    Decoder(configuration) { x, layer, context in
      PreNormBlock(configuration, layer: layer)(x, context)
    }
  }

  public static func schema(_ configuration: ModelConfiguration) -> ModelSchema {
    ModelSchema(configuration) { $0.preNorm }
  }
}
