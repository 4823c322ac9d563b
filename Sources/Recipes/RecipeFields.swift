import Storage

/// A part of a recipe that is a JSON object. `visit` names each key once, with its place in the
/// value and its kind; the same visit reads, validates and writes.
protocol RecipeSection {
  mutating func visit(_ fields: RecipeFields)
}

/// What reading a recipe needs besides the values: the folder paths are relative to, which keys
/// overrides set, and the list that problems are added to.
final class RecipeContext {
  let folder: String
  let overrides: [RecipeOverride]
  private(set) var problems: [RecipeProblem] = []

  init(folder: String, overrides: [RecipeOverride] = []) {
    self.folder = folder
    self.overrides = overrides
  }

  func report(_ keyPath: String, subject: String? = nil, _ kind: RecipeProblem.Kind) {
    let origin = overrides.last { isPath(keyPath, atOrBelow: $0.path) }
    problems.append(RecipeProblem(keyPath, subject: subject, kind, override: origin?.text))
  }

  /// An override set the key, something inside it, or something around it.
  func isOverridden(_ keyPath: String) -> Bool {
    overrides.contains {
      isPath(keyPath, atOrBelow: $0.path) || isPath($0.path, atOrBelow: keyPath)
    }
  }

  private func isPath(_ path: String, atOrBelow root: String) -> Bool {
    path == root || path.hasPrefix(root + ".") || path.hasPrefix(root + "[")
  }
}

/// The keys of one JSON object, while a `RecipeSection` visits them: either read from it (with
/// problems collected in the context) or written to a new one. The keys asked for are the known
/// ones, so there is no list of keys besides the visits.
final class RecipeFields {
  private enum Mode {
    case reading(JSONObject, keyPath: String, RecipeContext)
    case writing
  }

  private var mode: Mode
  private(set) var keys: [String] = []
  /// Keys that are read but no longer written.
  private var formerKeys: [String] = []
  private(set) var written: [(String, JSONValue)] = []
  private var variants: (key: String, current: String, others: () -> [(String, [String])])?
  private var restIsIgnored = false

  /// Fields that write.
  init() { mode = .writing }

  /// Fields that read an object's members.
  init(_ object: JSONObject, at keyPath: String, _ context: RecipeContext) {
    mode = .reading(object, keyPath: keyPath, context)
  }

  /// A key with a default: `value` as it stands before.
  /// - Returns: false if the key was given a value that is not allowed.
  @discardableResult
  func callAsFunction<Value>(
    _ key: String, _ value: inout Value, _ kind: RecipeKind<Value>
  ) -> Bool {
    keys.append(key)
    switch mode {
    case .writing:
      written.append((key, kind.write(value)))
      return true
    case .reading(let values, let keyPath, let context):
      guard let json = values[key] else { return true }
      guard let found = kind.read(json, join(keyPath, key), context) else { return false }
      value = found
      return true
    }
  }

  /// A key with a default that had another name before: either is read, and of two that are given
  /// one that an override set; the present one is written.
  /// - Returns: false if the key was given a value that is not allowed.
  @discardableResult
  func callAsFunction<Value>(
    _ key: String, formerly former: String, _ value: inout Value, _ kind: RecipeKind<Value>
  ) -> Bool {
    guard case .reading(let values, let keyPath, let context) = mode,
      let json = values[former]
    else { return self(key, &value, kind) }
    let (path, formerPath) = (join(keyPath, key), join(keyPath, former))
    formerKeys.append(former)
    if values[key] != nil {
      switch (context.isOverridden(path), context.isOverridden(formerPath)) {
      case (true, false): return self(key, &value, kind)
      case (false, true): break
      default:
        keys.append(key)
        context.report(formerPath, .conflict(other: path))
        return false
      }
    }
    keys.append(key)
    guard let found = kind.read(json, formerPath, context) else { return false }
    value = found
    return true
  }

  /// A key that must be given.
  /// - Returns: whether it was, with a value that is allowed.
  @discardableResult
  func required<Value>(_ key: String, _ value: inout Value, _ kind: RecipeKind<Value>) -> Bool {
    if case .reading(let values, let keyPath, let context) = mode, values[key] == nil {
      keys.append(key)
      context.report(join(keyPath, key), .missing(expected: kind.expected))
      return false
    }
    return self(key, &value, kind)
  }

  /// One of two keys: `a` or `b`, where an override of one takes the other's place. Writes the one
  /// that is not nil.
  func either<Value>(
    _ a: (key: String, value: Value?), or b: (key: String, value: Value?), _ kind: RecipeKind<Value>
  ) -> (Value?, Value?) {
    keys += [a.key, b.key]
    guard case .reading(let values, let keyPath, let context) = mode else {
      for (key, value) in [a, b] { if let value { written.append((key, kind.write(value))) } }
      return (a.value, b.value)
    }
    let paths = (join(keyPath, a.key), join(keyPath, b.key))
    func read(_ key: String, _ path: String) -> Value? {
      values[key].flatMap { kind.read($0, path, context) }
    }
    switch (values[a.key] != nil, values[b.key] != nil) {
    case (false, false): return (a.value, b.value)
    case (true, false): return (read(a.key, paths.0), nil)
    case (false, true): return (nil, read(b.key, paths.1))
    case (true, true):
      switch (context.isOverridden(paths.0), context.isOverridden(paths.1)) {
      case (true, false): return (read(a.key, paths.0), nil)
      case (false, true): return (nil, read(b.key, paths.1))
      default:
        context.report(paths.1, .conflict(other: paths.0))
        return (a.value, b.value)
      }
    }
  }

  /// Says that other values of `key` have other keys, so that one of those is explained; when an
  /// override changed `key`, the file's keys for the former value are dropped.
  func variants(
    of key: String, current: String, others: @escaping () -> [(String, [String])]
  ) {
    variants = (key, current, others)
  }

  /// After a key that decides about the others was wrong: don't judge the rest.
  func ignoreRest() { restIsIgnored = true }

  /// A problem of several keys together, or of an entry within one; `key` nil: of this object.
  func report(_ key: String? = nil, subject: String? = nil, _ kind: RecipeProblem.Kind) {
    guard case .reading(_, let keyPath, let context) = mode else { return }
    context.report(key.map { join(keyPath, $0) } ?? keyPath, subject: subject, kind)
  }

  /// Nothing below this object was reported yet, and all of its keys were asked for.
  var isValidSoFar: Bool {
    guard case .reading(let values, let keyPath, let context) = mode else { return true }
    return values.keys.allSatisfy { isKnown($0) }
      && !context.problems.contains { $0.keyPath.hasPrefix(keyPath + ".") }
  }

  private func isKnown(_ key: String) -> Bool {
    keys.contains(key) || formerKeys.contains(key)
  }

  /// Reports the keys that nobody asked for.
  func finish() {
    guard case .reading(let values, let keyPath, let context) = mode, !restIsIgnored else {
      return
    }
    for key in values.keys where !isKnown(key) {
      let path = join(keyPath, key)
      if let variants, let owner = variants.others().first(where: { $0.1.contains(key) }) {
        let displaced =
          context.isOverridden(join(keyPath, variants.key)) && !context.isOverridden(path)
        if !displaced {
          context.report(path, .foreignKey(owner: owner.0, current: variants.current))
        }
        continue
      }
      let suggestion = nearest(to: key, in: keys) ?? Recipe.keyPath(endingWith: key)
      context.report(path, .unknownKey(suggestion: suggestion, known: keys))
    }
  }
}

extension RecipeSection {
  /// The section as JSON, every key filled in.
  var json: JSONValue {
    let fields = RecipeFields()
    var copy = self
    copy.visit(fields)
    return .object(JSONObject(fields.written))
  }

  /// The keys that this value's visit names.
  var keys: [String] {
    let fields = RecipeFields()
    var copy = self
    copy.visit(fields)
    return fields.keys
  }
}

/// `key` below `keyPath`, which is empty for the recipe itself.
func join(_ keyPath: String, _ key: String) -> String {
  keyPath.isEmpty ? key : "\(keyPath).\(key)"
}
