import Storage

/// The training and validation text, and how it is split into windows of tokens.
public struct DataRecipe: Hashable, Sendable {
  /// Files, folders or globs.
  public var train: [RecipePath]
  public var validation: ValidationRecipe = .fraction(0.1)
  /// Sequence length S: tokens in a window.
  public var sequenceLength = 256
  /// Text between documents of a file; nil if each file is one document.
  public var documentSeparator: String?
  /// Append the end-of-sequence token to each document.
  public var appendEOS = false
  /// Which tokens of rows of JSON Lines are targets.
  public var trainOn = TrainOnRecipe.completions
  /// How chats are written: a template's name, "none", or nil for the model's own.
  public var chatTemplate: String?
  /// What happens to rows longer than a window.
  public var longRows = LongRowsRecipe.split
  /// Shuffle the windows anew in each epoch.
  public var shuffle = true

  public init(train: [RecipePath]) { self.train = train }
}

/// The targets in rows of JSON Lines.
public enum TrainOnRecipe: String, CaseIterable, Sendable {
  /// Completions, outputs and the assistant's turns.
  case completions
  case all
}

/// What happens to rows longer than a window.
public enum LongRowsRecipe: String, CaseIterable, Sendable {
  case split, drop
}

/// The source of validation text.
public enum ValidationRecipe: Hashable, Sendable {
  /// A share of the training text's tokens in [0, 1), taken from its end, as whole documents where that
  /// comes near it; 0 for no validation.
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
    fields("train_on", &trainOn, .choice())
    fields("chat_template", &chatTemplate, .optional(.nonEmptyString))
    fields("long_rows", &longRows, .choice())
    fields("shuffle", &shuffle, .bool)
  }
}

extension RecipeKind<ValidationRecipe> {
  static var validation: RecipeKind {
    let interval = Interval(lower: 0, upper: 1, includesUpper: false)
    let paths = RecipeKind<[RecipePath]>.paths
    let fraction = leaf(
      "a fraction in \(interval) or a list of files, folders or globs",
      schema: .anyOf([interval.schema, paths.schema()]),
      { $0.double.flatMap { interval.contains($0) ? .fraction($0) : nil } },
      write: { if case .fraction(let share) = $0 { .number(share) } else { .null } })
    return RecipeKind(
      expected: fraction.expected, schema: fraction.schema(),
      read: { json, keyPath, context in
        json.array == nil && json.string == nil
          ? fraction.read(json, keyPath, context)
          : paths.read(json, keyPath, context).map { .files($0) }
      },
      write: { if case .files(let files) = $0 { paths.write(files) } else { fraction.write($0) } })
  }
}
