/// How far back the attention of a block sees.
public enum AttentionReach: String, Hashable, Codable, Sendable, CaseIterable {
  /// The last `ModelConfiguration.slidingWindow` tokens, its own included (Beltagy et al. 2020).
  case local
  /// All of the document before it.
  case global
}

extension ModelConfiguration {
  /// The reach of a block's attention, counted from the bottom.
  public func reach(layer: Int) -> AttentionReach {
    guard slidingWindow != nil else { return .global }
    return attentionPattern.isEmpty ? .local : attentionPattern[layer % attentionPattern.count]
  }

  /// How many tokens a block's attention sees, its own included; nil for all of the document.
  public func window(layer: Int) -> Int? { reach(layer: layer) == .local ? slidingWindow : nil }

  /// The shortest `attentionPattern` that stands for a reach for each block.
  public static func attentionPattern(_ reaches: [AttentionReach]) -> [AttentionReach] {
    guard reaches.contains(.global) else { return [] }
    let period = (1...reaches.count).first { period in
      reaches.indices.allSatisfy { reaches[$0] == reaches[$0 % period] }
    }
    return Array(reaches.prefix(period ?? reaches.count))
  }

  /// The `attentionPattern` of blocks of which each last one of a period is global.
  static func periodicPattern(period: Int, layers: Int) -> [AttentionReach] {
    guard period <= layers else { return [] }
    return Array(repeating: .local, count: period - 1) + [.global]
  }

  /// What makes the windows and their rotary base unusable, or nil.
  var reachProblem: String? {
    guard let slidingWindow else {
      if !attentionPattern.isEmpty { return "attentionPattern needs a slidingWindow" }
      return localRotaryBase == nil ? nil : "localRotaryBase needs a slidingWindow"
    }
    guard (1...1 << 26).contains(slidingWindow) else {
      return "slidingWindow is \(slidingWindow), expected 1 to \(1 << 26)"
    }
    if attentionPattern.count > layers {
      return "attentionPattern has \(attentionPattern.count) entries, expected up to \(layers)"
    }
    if !attentionPattern.isEmpty, !attentionPattern.contains(.local) {
      return "attentionPattern has no local entry, but there is a slidingWindow"
    }
    if let localRotaryBase, !(localRotaryBase > 1 && localRotaryBase.isFinite) {
      return "localRotaryBase \(localRotaryBase) is not above 1"
    }
    return nil
  }
}
