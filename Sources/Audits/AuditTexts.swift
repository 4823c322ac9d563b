import Datasets
import Recipes
import Runs
import Storage

/// Reads texts as the delta's run has read its own.
struct AuditTexts {
  let recorded: RecordedRecipe
  let base: LoadedModel
  let sequenceLength: Int
  let separator: String?
  let cacheFolder: String

  private var rows: RowEncoding {
    get throws {
      let trainOn = recorded.trainOn.flatMap(TrainOnRecipe.init(rawValue:)) ?? .completions
      return RowEncoding(trainOn, try base.chats(recorded.chatTemplate))
    }
  }

  private var longRows: LongRows {
    LongRows(recorded.longRows.flatMap(LongRowsRecipe.init(rawValue:)) ?? .split)
  }

  /// The text that was trained on: without the share that the recipe held out.
  func train(_ paths: [String]) throws -> Corpus { try corpus(paths, recorded.validation) }

  /// A text that was not.
  func heldOut(_ paths: [String]) throws -> Corpus { try corpus(paths, 0) }

  private func corpus(_ paths: [String], _ validation: Double) throws -> Corpus {
    try Folder.creating(cacheFolder, isPrivate: true) {
      try Corpus.prepare(
        train: paths.map(Folder.absolute),
        validation: validation > 0 ? .fraction(validation) : .none,
        sequenceLength: sequenceLength, separator: separator, appendEOS: recorded.appendEOS,
        rows: try rows, longRows: longRows, tokenizer: base.tokenizer, cacheFolder: cacheFolder,
        keepsCache: false)
    }
  }
}
