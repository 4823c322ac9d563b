import Storage

/// Which text is trained on, and how it becomes windows of tokens.
public struct DataRecipe: Hashable, Sendable {
  /// Files, folders or globs.
  public var train: [RecipePath]
  public var validation: ValidationRecipe = .fraction(0.1)
  /// S, tokens in a window.
  public var sequenceLength = 256
  /// Text between documents of a file; nil where a file is one document.
  public var documentSeparator: String?
  /// The end-of-sequence token closes each document.
  public var appendEOS = false
  /// Windows in a new random order each epoch.
  public var shuffle = true

  public init(train: [RecipePath]) { self.train = train }
}

/// Where validation text comes from.
public enum ValidationRecipe: Hashable, Sendable {
  /// This share of the training documents, from their end; 0 for no validation. In [0, 1).
  case fraction(Double)
  case files([RecipePath])
}

extension DataRecipe: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    fields.required("train", &train, .paths)
    fields("validation", &validation, .validation)
    fields("sequence_length", &sequenceLength, .integer(1...1_048_576))
    fields("document_separator", &documentSeparator, .optional(.nonEmptyString))
    fields("append_eos", &appendEOS, .bool)
    fields("shuffle", &shuffle, .bool)
  }
}

extension RecipeKind<ValidationRecipe> {
  static var validation: RecipeKind {
    let interval = Interval(lower: 0, upper: 1, includesUpper: false)
    let fraction = leaf(
      "a fraction in \(interval) or a list of files, folders or globs",
      { $0.double.flatMap { interval.contains($0) ? .fraction($0) : nil } },
      write: { if case .fraction(let share) = $0 { .number(share) } else { .null } })
    let paths = RecipeKind<[RecipePath]>.paths
    return RecipeKind(
      expected: fraction.expected,
      read: { json, keyPath, context in
        json.array == nil && json.string == nil
          ? fraction.read(json, keyPath, context)
          : paths.read(json, keyPath, context).map { .files($0) }
      },
      write: { if case .files(let files) = $0 { paths.write(files) } else { fraction.write($0) } })
  }
}
