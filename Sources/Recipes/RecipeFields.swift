import Storage

/// A section of a recipe that is a JSON object. `visit` names each key once, with its property and
/// its kind; the same visit reads, validates and writes.
protocol RecipeSection {
  mutating func visit(_ fields: RecipeFields)

  /// The forms that the section takes, where its keys depend on values; by default one.
  var forms: [RecipeForm] { get }

  /// What is asked for beyond the single keys, as JSON Schemas that all must hold.
  var conditions: [JSONValue] { get }
}

/// The context of reading a recipe: the folder that paths are relative to, the keys set by
/// overrides, and the list of problems found.
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

  /// Whether an override set the key, something inside it or an object around it.
  func isOverridden(_ keyPath: String) -> Bool {
    overrides.contains {
      isPath(keyPath, atOrBelow: $0.path) || isPath($0.path, atOrBelow: keyPath)
    }
  }

  private func isPath(_ path: String, atOrBelow root: String) -> Bool {
    path == root || path.hasPrefix(root + ".") || path.hasPrefix(root + "[")
  }
}

/// The keys of one JSON object while a `RecipeSection` visits them: either read from it (with
/// problems collected in the context) or written to a new one. The visits define the known keys;
/// there is no separate list.
final class RecipeFields {
  private enum Mode {
    case reading(JSONObject, keyPath: String, RecipeContext)
    case writing
  }

  private var mode: Mode
  private(set) var keys: [String] = []
  /// Keys that are known but not written: former names, and refused ones.
  private var formerKeys: [String] = []
  private(set) var written: [(String, JSONValue)] = []
  /// What each key may be, as a JSON Schema; only while writing.
  private(set) var schemas: [(key: String, expected: String, schema: () -> JSONValue)] = []
  private(set) var requiredKeys: [String] = []
  /// Keys that exclude each other.
  private(set) var exclusive: [(String, String)] = []
  private var variants: (key: String, current: String, others: () -> [(String, [String])])?
  private var restIsIgnored = false

  /// Creates fields for writing.
  init() { mode = .writing }

  /// Creates fields that read an object's members.
  init(_ object: JSONObject, at keyPath: String, _ context: RecipeContext) {
    mode = .reading(object, keyPath: keyPath, context)
  }

  /// An optional key; without it `value` keeps its default.
  /// - Returns: false if the key has a value that is not allowed.
  @discardableResult
  func callAsFunction<Value>(
    _ key: String, _ value: inout Value, _ kind: RecipeKind<Value>
  ) -> Bool {
    keys.append(key)
    switch mode {
    case .writing:
      schemas.append((key, kind.expected, kind.schema))
      written.append((key, kind.write(value)))
      return true
    case .reading(let values, let keyPath, let context):
      guard let json = values[key] else { return true }
      guard let found = kind.read(json, join(keyPath, key), context) else { return false }
      value = found
      return true
    }
  }

  /// An optional key with a former name. Either name is read; if both are given, one set by an
  /// override takes precedence. Only the present name is written.
  /// - Returns: false if the key has a value that is not allowed.
  @discardableResult
  func callAsFunction<Value>(
    _ key: String, formerly former: String, _ value: inout Value, _ kind: RecipeKind<Value>
  ) -> Bool {
    if case .writing = mode {
      schemas.append((former, "former name of '\(key)'", kind.schema))
      exclusive.append((key, former))
    }
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

  /// A required key.
  /// - Returns: true if the key is given and its value is allowed.
  @discardableResult
  func required<Value>(_ key: String, _ value: inout Value, _ kind: RecipeKind<Value>) -> Bool {
    requiredKeys.append(key)
    if case .reading(let values, let keyPath, let context) = mode, values[key] == nil {
      keys.append(key)
      context.report(join(keyPath, key), .missing(expected: kind.expected))
      return false
    }
    return self(key, &value, kind)
  }

  /// One of two keys that exclude each other; an override of one replaces the other in the file.
  /// Writes the one that is not nil.
  func either<Value>(
    _ a: (key: String, value: Value?), or b: (key: String, value: Value?), _ kind: RecipeKind<Value>
  ) -> (Value?, Value?) {
    keys += [a.key, b.key]
    guard case .reading(let values, let keyPath, let context) = mode else {
      schemas += [a.key, b.key].map { ($0, kind.expected, kind.schema) }
      exclusive.append((a.key, b.key))
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

  /// A key that is for other programs: checked, not kept, not written.
  func note(_ key: String, _ kind: RecipeKind<String>) {
    guard case .reading(let values, let keyPath, let context) = mode else {
      return schemas.append((key, kind.expected, kind.schema))
    }
    formerKeys.append(key)
    if let json = values[key] { _ = kind.read(json, join(keyPath, key), context) }
  }

  /// Declares the keys that belong to other values of `key`, so that error messages can explain
  /// them; if an override changed `key`, the file's keys for the former value are dropped.
  func variants(
    of key: String, current: String, others: @escaping () -> [(String, [String])]
  ) {
    variants = (key, current, others)
  }

  /// Reports keys that mean nothing beside the value of another one, if they are given.
  func refuse(_ refused: [String], because reason: String) {
    guard case .reading(let values, let keyPath, let context) = mode else { return }
    for key in refused where values[key] != nil {
      formerKeys.append(key)
      context.report(join(keyPath, key), .invalid(reason: reason))
    }
  }

  /// Stops checking the other keys, after a key that decides about them was wrong.
  func ignoreRest() { restIsIgnored = true }

  /// A problem of several keys together, or of an entry within one; `key` nil: of this object.
  func report(_ key: String? = nil, subject: String? = nil, _ kind: RecipeProblem.Kind) {
    guard case .reading(_, let keyPath, let context) = mode else { return }
    context.report(key.map { join(keyPath, $0) } ?? keyPath, subject: subject, kind)
  }

  /// Whether no problem within this object was reported and all of its keys were visited.
  var isValidSoFar: Bool {
    guard case .reading(let values, let keyPath, let context) = mode else { return true }
    return values.keys.allSatisfy { isKnown($0) }
      && !context.problems.contains { $0.keyPath.hasPrefix(keyPath + ".") }
  }

  private func isKnown(_ key: String) -> Bool {
    keys.contains(key) || formerKeys.contains(key)
  }

  /// Reports the keys that no visit asked for.
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

  /// The keys that the section's visit names.
  var keys: [String] {
    let fields = RecipeFields()
    var copy = self
    copy.visit(fields)
    return fields.keys
  }
}

/// The key path of `key` in `keyPath`, which is empty for the recipe itself.
func join(_ keyPath: String, _ key: String) -> String {
  keyPath.isEmpty ? key : "\(keyPath).\(key)"
}
