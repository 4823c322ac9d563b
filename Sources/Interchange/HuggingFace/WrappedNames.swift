/// Names of tensors that were saved from inside a wrapper: `torch.compile`, data parallelism, PEFT, or
/// a module that holds the model as its member `model`. The tensors are the model's own.
enum WrappedNames {
  /// What a wrapper puts before names, or between their parts, and who does that.
  private static let wrappers = [
    ("_orig_mod.", "torch.compile"), ("base_model.model.", "PEFT"), ("module.", "DataParallel"),
  ]

  /// A name without what wrappers put into it, and the wrappers, outermost first.
  static func unwrapped(_ name: String) -> (name: String, wrappers: [String]) {
    var name = name
    var found: [String] = []
    var isChanged = true
    while isChanged {
      isChanged = false
      for (part, wrapper) in wrappers where name.hasPrefix(part) {
        name.removeFirst(part.count)
        found.append(wrapper)
        isChanged = true
      }
      // A block may be compiled for itself.
      if let place = name.firstRange(of: "._orig_mod.") {
        name.replaceSubrange(place, with: ".")
        found.append("torch.compile")
        isChanged = true
      }
      let inner = ["model.model.", "model.lm_head."]
      if inner.contains(where: { name.hasPrefix($0) }) {
        name.removeFirst("model.".count)
        found.append("a module")
        isChanged = true
      }
    }
    return (name, found)
  }

  /// Whether a name is of a matrix, or of factors, of an adapter that is not merged.
  static func isAdapter(_ name: String) -> Bool {
    name.contains(".lora_") || name.contains(".base_layer.") || name.contains(".modules_to_save.")
  }
}
