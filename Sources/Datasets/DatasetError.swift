import Chats
import Storage
import Tensors
import Tokenizers

/// Errors of reading, encoding and batching text files.
public enum DatasetError: Failure {
  /// A path of the list names no file, or a folder or pattern holds no text.
  case noMatch(path: String, reason: String)
  /// A file or folder that exists but can't be read.
  case unreadable(path: String, reason: String)
  /// A file given by name that is not text: `offset` of the first bad byte, `found` describes it.
  case notText(path: String, offset: Int, found: String)
  /// A folder or pattern that leads to more files than any training text has.
  case tooManyFiles(path: String, limit: Int)
  /// A file that somebody wrote to while it was read.
  case changed(path: String)
  /// A line of a JSON Lines file that is no row; lines count from 1.
  case row(path: String, line: Int, problem: String)
  /// A row that no template, or this one, can write.
  case chat(path: String, line: Int, error: ChatError)
  /// A row of another shape than the first one's.
  case mixedRows(path: String, line: Int, found: String, firstLine: Int, expected: String)
  /// A text that the tokenizer rejects.
  case tokenizer(path: String, error: TokenizerError)
  /// The files contain no document.
  case noDocuments(use: String)
  /// The rows contain no target that counts.
  case noTargets(use: String)
  /// Fewer ids than are needed; `use` is "training" or "validation".
  case tooShort(use: String, idCount: Int, needed: Int, sequenceLength: Int)
  /// A share of validation documents outside 0..<1.
  case invalidFraction(Double)
  /// EOS was requested, but the tokenizer has none.
  case noEndOfSequence
  /// A file operation failed.
  case storage(StorageError)

  public var category: FailureCategory {
    switch self {
    case .noMatch, .unreadable: .missingInput
    case .tooManyFiles: .usage
    case .changed, .notText, .row, .mixedRows, .noDocuments, .noTargets, .tooShort: .badData
    case .invalidFraction, .noEndOfSequence: .usage
    case .tokenizer(_, let error): error.category
    case .chat(_, _, let error): error.category
    case .storage(let error): error.category
    }
  }

  public var description: String {
    switch self {
    case .noMatch(let path, let reason):
      "looking for text at '\(path)': \(reason); give a text file, a folder of them or a pattern "
        + "such as 'texts/*.txt'"
    case .unreadable(let path, let reason):
      "reading '\(path)': \(reason)"
    case .notText(let path, let offset, let found):
      "reading '\(path)': found \(found) at byte \(offset), expected UTF-8 text; convert the file, "
        + "or leave it out"
    case .tooManyFiles(let path, let limit):
      "looking for text at '\(path)': found more than \(limit) files, expected fewer; name the folders "
        + "that hold the text"
    case .changed(let path):
      "reading '\(path)': the file changed while it was read; nothing was kept of it: run again once "
        + "nothing writes to it"
    case .row(let path, let line, let problem):
      "reading '\(path)', line \(line): \(problem)"
    case .chat(let path, let line, let error):
      "reading '\(path)', line \(line): \(error)"
    case .mixedRows(let path, let line, let found, let firstLine, let expected):
      "reading '\(path)', line \(line): found a row of \(found), expected \(expected) as in line "
        + "\(firstLine); put rows of different shapes into different files"
    case .tokenizer(let path, let error):
      "reading '\(path)': \(error)"
    case .noDocuments(let use):
      "preparing the \(use) text: the files hold no documents, only white space and separators"
    case .noTargets(let use):
      "preparing the \(use) text: the rows hold no tokens that count: every completion is empty, or "
        + "longer than a window and dropped (data.long_rows)"
    case .tooShort(let use, let idCount, let needed, let sequenceLength):
      "preparing the \(use) text: found \(idCount) ids, expected at least \(needed) for a "
        + "sequence_length of \(sequenceLength); add text, or lower sequence_length"
        + (use == "validation" ? ", or raise data.validation" : "")
    case .invalidFraction(let fraction):
      "data.validation: found \(fraction), expected a share from 0 up to, but not including, 1"
    case .noEndOfSequence:
      "data.append_eos: the tokenizer has no end-of-sequence piece; set append_eos to false"
    case .storage(let error):
      error.description
    }
  }
}
