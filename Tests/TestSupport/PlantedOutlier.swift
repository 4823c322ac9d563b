import Models

/// Weights whose function stays the same while one matmul gets inputs that bytes serve badly.
package enum PlantedOutlier {
  /// Makes one column of the input of a block's `mlp.down` larger: a row of `mlp.up` times a factor,
  /// the column of `mlp.down` over it.
  package static func plant(
    in weights: inout [String: [Float]], _ configuration: ModelConfiguration, layer: Int,
    column: Int = 5, factor: Float
  ) {
    let (width, hidden) = (configuration.width, configuration.hiddenWidth)
    for index in 0..<width {
      weights["layers[\(layer)].mlp.up"]?[column * width + index] *= factor
      weights["layers[\(layer)].mlp.down"]?[index * hidden + column] /= factor
    }
  }
}
